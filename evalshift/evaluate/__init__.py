"""What was predicted: plans, inference and the store. Knows nothing of analysis.

The package is also the public function `evalshift.evaluate(...)`: Python binds a subpackage to its name in the parent,
so a function of that name would vanish as soon as anything in here is imported. See docs/decisions/0001.
"""

import sys
from types import ModuleType
from typing import Any


class _CallableModule(ModuleType):
    def __call__(self, *arguments: Any, **options: Any) -> Any:
        from evalshift.evaluate.evaluation import evaluate

        return evaluate(*arguments, **options)


sys.modules[__name__].__class__ = _CallableModule
