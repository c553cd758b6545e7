"""The little that text in an exported program may say: sizes as expressions, and conditions on the sizes of inputs.

torch evaluates both as Python code. What comes back from here is written anew from a syntax tree of known operations on
known names, so that nothing else reaches it.
"""

import ast
import re

SYMBOL = re.compile(r"(s|u|zf|zuf)[0-9]{1,12}")
_LONGEST = 20_000
_DIGITS = 20  # of a number
_LARGEST_EXPONENT = 64
# Beyond these, sympy works for minutes on what fits on a page; networks have a few sizes, halved a few times.
_MOST_SYMBOLS = 8
_DEEPEST = 40
_LARGEST_EXPONENT_OF_SUMS = 4

_POWERS = {"Pow", "PowByNatural", "FloatPow", "LShift"}
_ASSUMPTIONS = {
    "positive",
    "nonnegative",
    "negative",
    "nonpositive",
    "integer",
    "real",
    "finite",
    "zero",
    "extended_real",
}
# sympy's own names for what expressions consist of, and those that torch adds (torch.utils._sympy.functions).
_FUNCTIONS = _POWERS | {
    *("Integer", "Rational", "Float", "Add", "Mul", "Abs", "Max", "Min", "floor", "ceiling", "Piecewise"),
    *("ExprCondPair", "Tuple", "And", "Or", "Not", "Equality", "Unequality", "LessThan", "GreaterThan"),
    *(
        "StrictLessThan",
        "StrictGreaterThan",
        "Eq",
        "Ne",
        "Lt",
        "Le",
        "Gt",
        "Ge",
        "FloorDiv",
        "ModularIndexing",
        "Where",
    ),
    *("PythonMod", "Mod", "CleanDiv", "CeilToInt", "FloorToInt", "CeilDiv", "RShift", "FloatTrueDiv", "IntTrueDiv"),
    *("IsNonOverlappingAndDenseIndicator", "TruncToFloat", "TruncToInt", "RoundToInt", "RoundDecimal", "ToFloat"),
    "Identity",
}
_ARITHMETIC = (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod, ast.Div)
_COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)
# What torch's conditions call, beside the sizes of an input.
_GUARD_FUNCTIONS = {
    *(
        "abs",
        "float",
        "int",
        "min",
        "max",
        "round",
        "torch.sym_max",
        "torch.sym_min",
        "torch.sym_float",
        "torch.sym_int",
    ),
    *("torch._sym_sqrt", "math.floor", "math.ceil", "math.trunc", "math.sqrt", "math.isnan"),
    "IsNonOverlappingAndDenseIndicator",
}
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,200}")


def symbolic(text: str) -> str:
    """An expression over sizes as sympy prints it, written anew; ValueError for anything else.

    >>> symbolic("Mul(Integer(4), Symbol('s0', positive=True, integer=True))")
    "Mul(Integer(4), Symbol('s0', positive=True, integer=True))"
    """
    return _written_anew(text, _check_whole)


def _check_whole(node: ast.expr) -> None:
    symbols = {one.value for one in ast.walk(node) if isinstance(one, ast.Constant) and isinstance(one.value, str)}
    symbols |= {one.id for one in ast.walk(node) if isinstance(one, ast.Name) and SYMBOL.fullmatch(one.id)}
    if sum(SYMBOL.fullmatch(one) is not None for one in symbols) > _MOST_SYMBOLS or _is_deeper(node, _DEEPEST):
        _refuse(node)
    _check_expression(node)


def _is_deeper(node: ast.AST, most: int) -> bool:
    level: list[ast.AST] = [node]
    for _ in range(most):
        level = [child for one in level for child in ast.iter_child_nodes(one) if isinstance(child, ast.expr)]
    return bool(level)


def guard(text: str) -> str:
    """A condition on the sizes of inputs, such as "L['x'].size()[0] <= 16", written anew; ValueError otherwise."""
    return _written_anew(text, _check_guard)


def _written_anew(text, check):
    if len(text) > _LONGEST or not text.isascii():
        raise ValueError(f"no expression over sizes: {text[:80]!r}")
    try:
        tree = ast.parse(text.strip(), mode="eval")
        check(tree.body)
        return ast.unparse(tree)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"no expression over sizes: {text[:80]!r}") from error


def _refuse(node: ast.AST):
    raise ValueError(f"no expression over sizes: {ast.unparse(node)[:80]!r}")


def _check_expression(node: ast.expr) -> None:
    match node:
        case ast.Constant(value=value) if _is_number(value):
            pass
        case ast.Name(id=name) if SYMBOL.fullmatch(name) or name in ("true", "false"):
            pass
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            _check_expression(operand)
        case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _ARITHMETIC):
            _check_expression(left)
            _check_expression(right)
        case ast.Compare(left=left, ops=ops, comparators=others) if all(isinstance(op, _COMPARISONS) for op in ops):
            for part in (left, *others):
                _check_expression(part)
        case ast.Call(func=ast.Name(id="Symbol")):
            _check_symbol(node)
        case ast.Call(func=ast.Name(id="Float"), args=[ast.Constant(value=str(digits))], keywords=keywords):
            _check_float(node, digits, keywords)
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in _FUNCTIONS:
            for argument in args:
                _check_expression(argument)
            if name in _POWERS:
                _check_power(node, args)
        case _:
            _refuse(node)


def _check_symbol(node: ast.Call) -> None:
    """Symbol('s0', positive=True, integer=True)."""
    match node.args:
        case [ast.Constant(value=str(name))] if SYMBOL.fullmatch(name):
            pass
        case _:
            _refuse(node)
    for keyword in node.keywords:
        if keyword.arg not in _ASSUMPTIONS or not _is_truth(keyword.value):
            _refuse(node)


def _check_float(node: ast.Call, digits: str, keywords: list[ast.keyword]) -> None:
    """Float('0.5', precision=53)."""
    if not re.fullmatch(r"[-+]?[0-9]{1,40}(\.[0-9]{0,60})?(e[-+]?[0-9]{1,3})?", digits):
        _refuse(node)
    for keyword in keywords:
        match keyword:
            case ast.keyword(arg="precision", value=ast.Constant(value=int(bits))) if 0 < bits <= 128:
                pass
            case _:
                _refuse(node)


def _check_power(node: ast.Call, args: list[ast.expr]) -> None:
    """Powers of powers and large exponents would be computed for years."""
    nested = any(isinstance(one, ast.Name) and one.id in _POWERS for part in args for one in ast.walk(part))
    if len(args) != 2 or nested or not all(_is_small(one) for one in ast.walk(args[1])):
        _refuse(node)
    summed = any(
        isinstance(one, ast.BinOp) or (isinstance(one, ast.Name) and one.id == "Add") for one in ast.walk(args[0])
    )
    numbers = [one.value for one in ast.walk(args[1]) if isinstance(one, ast.Constant)]
    if summed and any(isinstance(value, int | float) and value > _LARGEST_EXPONENT_OF_SUMS for value in numbers):
        _refuse(node)


def _is_small(node: ast.AST) -> bool:
    value = node.value if isinstance(node, ast.Constant) else None
    return not isinstance(value, int | float) or abs(value) <= _LARGEST_EXPONENT


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and len(repr(value)) <= _DIGITS


def _is_truth(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, bool)


def _check_guard(node: ast.expr) -> None:
    match node:
        case ast.Constant(value=value) if _is_number(value):
            pass
        case ast.UnaryOp(op=ast.USub() | ast.Not(), operand=operand):
            _check_guard(operand)
        case ast.BoolOp(values=values):
            for part in values:
                _check_guard(part)
        case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _ARITHMETIC):
            _check_guard(left)
            _check_guard(right)
        case ast.Compare(left=left, ops=ops, comparators=others) if all(isinstance(op, _COMPARISONS) for op in ops):
            for part in (left, *others):
                _check_guard(part)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            for part in (test, body, orelse):
                _check_guard(part)
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int(exponent))) if 0 < exponent <= 4:
            _check_guard(left)
        case ast.Call(func=ast.Name() | ast.Attribute() as function, args=args, keywords=[]) if (
            ast.unparse(function) in _GUARD_FUNCTIONS
        ):
            for argument in args:
                _check_guard(argument)
        case ast.Subscript(
            value=ast.Call(func=ast.Attribute(value=source, attr="size" | "stride"), args=[], keywords=[]),
            slice=ast.Constant(value=int()),
        ):
            _check_source(source)
        case _:
            _check_source(node)


def _check_source(node: ast.expr) -> None:
    """An input of the program: L['x'], or L['images'][0]."""
    match node:
        case ast.Subscript(value=ast.Name(id="L"), slice=ast.Constant(value=str(name))) if _IDENTIFIER.fullmatch(name):
            pass
        case ast.Subscript(value=ast.Subscript() as outer, slice=ast.Constant(value=key)) if _is_key(key):
            _check_source(outer)
        case _:
            _refuse(node)


def _is_key(key: object) -> bool:
    return isinstance(key, int) or (isinstance(key, str) and _IDENTIFIER.fullmatch(key) is not None)
