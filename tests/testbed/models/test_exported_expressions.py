"""Texts that torch evaluates: sizes and conditions pass as they are meant, all else is refused."""

import time

import pytest
import sympy

from evalshift.testbed.models.exported_expressions import guard, symbolic

SIZE = "Symbol('s0', positive=True, integer=True)"


@pytest.mark.parametrize(
    "text",
    [
        SIZE,
        f"Mul(Integer(-4), {SIZE})",
        f"Add(Integer(1), Mul(Rational(1, 2), {SIZE}))",
        f"Pow({SIZE}, Integer(2))",
        f"Pow({SIZE}, Rational(1, 2))",
        f"Max(Integer(1), {SIZE})",
        "Float('0.5', precision=53)",
        f"Piecewise(ExprCondPair(Integer(1), Equality({SIZE}, Integer(2))), ExprCondPair(Integer(0), true))",
    ],
)
def test_sizes_keep_their_meaning(text: str) -> None:
    assert sympy.sympify(symbolic(text)) == sympy.sympify(text)


def test_every_function_that_torch_prints_is_one_that_it_reads() -> None:
    from torch.utils._sympy import functions

    symbol = sympy.Symbol("s0", positive=True, integer=True)
    for name in ("FloorDiv", "PythonMod", "Mod", "CleanDiv", "PowByNatural", "IntTrueDiv", "FloatPow"):
        printed = sympy.printing.repr.srepr(getattr(functions, name)(symbol, sympy.Integer(3)))
        assert symbolic(printed) == printed


@pytest.mark.parametrize("text", ["s0*4", "s0//2 + 1", "u3 - s77", "-s0", "s0 >= 2"])
def test_as_older_torch_wrote_them(text: str) -> None:
    assert symbolic(text) == text.replace("*", " * ").replace("//", " // ")


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('id')",
        "().__class__",
        "Symbol('s0').func",
        "Symbol('x')",
        "Symbol('s0', commutative=False)",
        "Symbol('s0', integer=print())",
        "Integer('1')",
        "Float('__import__(\"os\")')",
        "Float('1', precision=10**9)",
        "lambda: 0",
        "[s0 for s0 in s1]",
        "s0 if s1 else s2",
        "S.One",
        "E1",
        "parse_expr('1')",
        "Function('f')(s0)",
        "s0\n+1;import os",
        "s0 ** 2",
        "f'{s0}'",
        "'s0'",
        "ｓ0",
        "(" * 5000 + "s0" + ")" * 5000,
        "s0" + "+s0" * 20000,
        "",
    ],
)
def test_all_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^no expression over sizes: "):
        symbolic(text)


@pytest.mark.parametrize(
    "text",
    [
        "Pow(Integer(9), Integer(999999999))",
        "Pow(Pow(Integer(9), Integer(64)), Integer(64))",
        "Pow(Integer(2), Add(Integer(60), Integer(999)))",
        "LShift(Integer(1), Integer(999999999999))",
        "PowByNatural(Integer(9), Pow(Integer(9), Integer(9)))",
        "Integer(99999999999999999999999999)",
    ],
)
def test_numbers_that_would_take_years(text: str) -> None:
    started = time.monotonic()
    with pytest.raises(ValueError, match=r"^no expression over sizes: "):
        symbolic(text)
    assert time.monotonic() - started < 1


@pytest.mark.parametrize(
    "text",
    [
        "L['x'].size()[0] % 2 == 0",
        "2 <= L['x'].size()[0] and L['x'].size()[0] <= 16",
        "not L['images'][0].stride()[1] == 1",
        "L['x'].size()[2] // 2 * 2 == L['x'].size()[3]",
        "torch.sym_max(1, -2 + L['x'].size()[3]) != 1",
        "L['x'] == 3",
    ],
)
def test_conditions_stay(text: str) -> None:
    assert guard(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('id') == 0",
        "L['x'].__class__ == 1",
        "L['x'].numpy().tofile('a')",
        "L[print()] == 1",
        "L['a\"+print()+\"'] == 1",
        "eval('1')",
        "torch.serialization.os.system(1)",
        "torch.sym_max(1, print())",
        "x == 1",
        "L['x'].size()[0] in (1, 2)",
    ],
)
def test_other_conditions_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^no expression over sizes: "):
        guard(text)


def sizes(count: int) -> str:
    return ", ".join(f"Symbol('s{number}', positive=True, integer=True)" for number in range(count))


def nested(levels: int) -> str:
    return "CeilDiv(" * levels + "s0" + ", Integer(2))" * levels


@pytest.mark.parametrize(
    "text",
    [
        f"Max({sizes(300)})",
        nested(80),
        f"FloorDiv(Pow(Add({sizes(8)}), Integer(64)), Pow(Add({sizes(8)}), Integer(63)))",
        f"floor(Mul(Pow(Add({sizes(8)}), Integer(60)), Rational(1, 3)))",
    ],
)
def test_sizes_that_would_be_simplified_for_minutes(text: str) -> None:
    with pytest.raises(ValueError, match="no expression over sizes"):
        symbolic(text)


@pytest.mark.parametrize(
    "text", [f"Max({sizes(4)})", nested(12), f"Pow(Add(FloorDiv({sizes(2)}), Integer(1)), Integer(4))"]
)
def test_sizes_as_deep_networks_have_them(text: str) -> None:
    assert symbolic(text) == text
