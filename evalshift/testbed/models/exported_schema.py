"""An exported program as data: what torch.export's JSON may hold here, field by field, and what its texts may say.

After torch._export.serde.schema (version 8), which torch reads without checking: a target may be any attribute of
torch, such as torch.os.system, names go into generated Python code as they are, and a tree of inputs may import a
module. What is not described here is refused. Objects that are no tensors have no place in it.
"""

import json
import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from evalshift.testbed.models.exported_expressions import SYMBOL, guard, symbolic
from evalshift.testbed.models.exported_operations import operation

_HIGHER_ORDER = {"wrap_with_set_grad_enabled", "wrap_with_autocast", "cond", "while_loop", "map_impl"}
_PYTHON = {
    *(
        f"_operator.{one}"
        for one in ("eq", "ne", "le", "ge", "lt", "gt", "neg", "pos", "mul", "add", "sub", "floordiv")
    ),
    *(f"_operator.{one}" for one in ("mod", "pow", "truediv", "and_", "or_", "lshift", "rshift", "getitem")),
    *(f"torch.sym_{one}" for one in ("not", "int", "float", "ite", "max", "min", "sum", "sqrt")),
    *("torch._sym_sqrt", "math.trunc", "math.ceil", "math.floor"),
}
_TARGET = re.compile(r"torch\.ops\.([a-z_]+)\.([A-Za-z0-9_]+)(?:\.([A-Za-z0-9_]+))?")
_STATE_NAME = re.compile(r"[A-Za-z0-9_\-:/ ]{1,200}(\.[A-Za-z0-9_\-:/ ]{1,200})*")


def _operator(target: str) -> str:
    """An operation on tensors or sizes that is known by its full name."""
    if target in _PYTHON:
        return target
    found = _TARGET.fullmatch(target)
    if found is None:
        raise ValueError(f"{target[:80]!r} is not an operation on tensors")
    namespace, name, overload = found.groups()
    if namespace == "higher_order":
        if name in _HIGHER_ORDER and overload is None:
            return target
    elif overload is not None and operation(namespace, name, overload) is not None:
        return target
    raise ValueError(f"{target[:80]!r} is not an operation on tensors that is known to be safe in any program")


def _identifier(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,300}", name) or name.startswith("__"):
        raise ValueError(f"{name[:80]!r} is not the name of a tensor")
    return name


def _identifier_or_nothing(name: str) -> str:
    return name and _identifier(name)


def _state_name(name: str) -> str:
    if not _STATE_NAME.fullmatch(name) or any(part.startswith("__") for part in name.split(".")):
        raise ValueError(f"{name[:80]!r} is not the name of a weight")
    return name


def _symbol_name(name: str) -> str:
    if not SYMBOL.fullmatch(name):
        raise ValueError(f"{name[:80]!r} is not the name of a size")
    return name


def _plain(text: str) -> str:
    if not re.fullmatch(r"[ -~\n]{0,10000}", text):
        raise ValueError(f"{text[:80]!r} is not plain text")
    return text


def _nothing(value: object) -> Any:
    """What says where in the source a thing came from, which torch would look up again."""
    return {}


Identifier = Annotated[str, AfterValidator(_identifier)]
Operator = Annotated[str, AfterValidator(_operator)]
StateName = Annotated[str, AfterValidator(_state_name)]
Plain = Annotated[str, AfterValidator(_plain)]
Number = Annotated[float, Field(allow_inf_nan=True)] | Literal["Infinity", "-Infinity", "NaN"]
Small = Annotated[int, Field(ge=0, le=1000)]
Left = Annotated[dict[str, str], BeforeValidator(_nothing)]


class Part(BaseModel):
    """A piece of a program; a key that is not its own is refused unless it says nothing."""

    model_config: ClassVar[ConfigDict] = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _without_what_says_nothing(cls, content: Any) -> Any:
        if not isinstance(content, dict):
            return content
        return {key: value for key, value in content.items() if key in cls.model_fields or value not in _EMPTY}


_EMPTY = (None, False, "", [], {})


class OneOf(Part):
    """One of several kinds of value, by the name of the kind."""

    @model_validator(mode="after")
    def _exactly_one(self) -> "OneOf":
        if len(self.model_fields_set) != 1:
            raise ValueError(f"{len(self.model_fields_set)} values of {type(self).__name__}, not one")
        return self


class Device(Part):
    """Where a tensor was, such as cpu or cuda:0."""

    type: Annotated[str, Field(pattern="^[a-z]{1,20}$")]
    index: Small | None = None


class Hint(OneOf):
    """What a size was when the program was exported."""

    as_int: int | None = None
    as_bool: bool | None = None
    as_float: Number | None = None


class Expression(Part):
    """A size as an expression over others."""

    expr_str: Annotated[str, AfterValidator(symbolic)]
    hint: Hint | None = None


class SymInt(OneOf):
    """A whole number, or an expression for one."""

    as_expr: Expression | None = None
    as_int: int | None = None


class SymFloat(OneOf):
    """A number, or an expression for one."""

    as_expr: Expression | None = None
    as_float: Number | None = None


class SymBool(OneOf):
    """A truth value, or an expression for one."""

    as_expr: Expression | None = None
    as_bool: bool | None = None


class TensorMeta(Part):
    """Shape, type and layout of a tensor."""

    dtype: Small
    sizes: list[SymInt]
    requires_grad: bool
    device: Device
    strides: list[SymInt]
    storage_offset: SymInt
    layout: Small


class Named(Part):
    """A tensor by its name."""

    name: Identifier


class SymIntArgument(OneOf):
    """A whole number, by its name or as it is."""

    as_name: Identifier | None = None
    as_int: int | None = None


class SymFloatArgument(OneOf):
    """A number, by its name or as it is."""

    as_name: Identifier | None = None
    as_float: Number | None = None


class SymBoolArgument(OneOf):
    """A truth value, by its name or as it is."""

    as_name: Identifier | None = None
    as_bool: bool | None = None


class OptionalTensor(OneOf):
    """A tensor by its name, or none."""

    as_tensor: Named | None = None
    as_none: bool | None = None


class Complex(Part):
    """A complex number."""

    real: Number
    imag: Number


class SubGraph(Part):
    """A part of the program that an operation calls, such as one without gradients."""

    name: Identifier
    graph: "Graph"


class Argument(OneOf):
    """What an operation takes or gives; text is quoted in code, and operators are known ones."""

    as_none: bool | None = None
    as_tensor: Named | None = None
    as_tensors: list[Named] | None = None
    as_int: int | None = None
    as_ints: list[int] | None = None
    as_float: Number | None = None
    as_floats: list[Number] | None = None
    as_string: Plain | None = None
    as_strings: list[Plain] | None = None
    as_sym_int: SymIntArgument | None = None
    as_sym_ints: list[SymIntArgument] | None = None
    as_scalar_type: Small | None = None
    as_memory_format: Small | None = None
    as_layout: Small | None = None
    as_device: Device | None = None
    as_bool: bool | None = None
    as_bools: list[bool] | None = None
    as_sym_bool: SymBoolArgument | None = None
    as_sym_bools: list[SymBoolArgument] | None = None
    as_graph: SubGraph | None = None
    as_optional_tensors: list[OptionalTensor] | None = None
    as_operator: Operator | None = None
    as_sym_float: SymFloatArgument | None = None
    as_sym_floats: list[SymFloatArgument] | None = None
    as_optional_tensor: OptionalTensor | None = None
    as_complex: Complex | None = None
    as_nested_tensors: list[list[Named]] | None = None
    as_int_lists: list[list[int]] | None = None
    as_float_lists: list[list[Number]] | None = None


class NamedArgument(Part):
    """An argument of an operation under its name."""

    name: Annotated[str, AfterValidator(_identifier_or_nothing)]
    arg: Argument
    kind: Literal[0, 1, 2] | None = None


class Node(Part):
    """A call of an operation."""

    target: Operator
    inputs: list[NamedArgument]
    outputs: list[Argument]
    metadata: Left
    is_hop_single_tensor_return: bool | None = None
    name: Identifier | None = None


class Graph(Part):
    """Calls in their order, with what is known of each value."""

    inputs: list[Argument]
    outputs: list[Argument]
    nodes: list[Node]
    tensor_values: dict[Identifier, TensorMeta]
    sym_int_values: dict[Identifier, SymInt]
    sym_bool_values: dict[Identifier, SymBool]
    is_single_tensor_return: bool = False
    sym_float_values: dict[Identifier, SymFloat] = {}


class UserValue(Part):
    """An input that the caller gives, or an output that it gets."""

    arg: Argument


class Constant(OneOf):
    """A constant among the inputs. Text is none: torch would write it into code without quoting it."""

    as_none: bool | None = None
    as_int: int | None = None
    as_float: Number | None = None
    as_bool: bool | None = None


class ConstantInput(Part):
    """A constant among the inputs, under its name."""

    name: Identifier
    value: Constant


class ParameterInput(Part):
    """A parameter among the inputs."""

    arg: Named
    parameter_name: StateName


class BufferInput(Part):
    """A buffer among the inputs."""

    arg: Named
    buffer_name: StateName
    persistent: bool = True


class ConstantTensorInput(Part):
    """A tensor of the program's own among the inputs."""

    arg: Named
    tensor_constant_name: StateName


class InputSpec(OneOf):
    """What an input of the graph is."""

    user_input: UserValue | None = None
    parameter: ParameterInput | None = None
    buffer: BufferInput | None = None
    tensor_constant: ConstantTensorInput | None = None
    constant_input: ConstantInput | None = None


class BufferMutation(Part):
    """An output that becomes the value of a buffer."""

    arg: Named
    buffer_name: StateName


class InputMutation(Part):
    """An output that becomes the value of an input."""

    arg: Named
    user_input_name: Identifier


class OutputSpec(OneOf):
    """What an output of the graph is."""

    user_output: UserValue | None = None
    buffer_mutation: BufferMutation | None = None
    user_input_mutation: InputMutation | None = None


class Signature(Part):
    """What the inputs and outputs of the graph are, in their order."""

    input_specs: list[InputSpec]
    output_specs: list[OutputSpec]


class Range(Part):
    """The least and the largest that a size may be; None where there is no bound."""

    min_val: int | None
    max_val: int | None


class Tree(Part):
    """How inputs and outputs are nested, as torch.utils._pytree writes it."""

    type: str | None
    context: Any
    children_spec: list["Tree"]


def _tree(text: str) -> str:
    """Nested tuples, lists and mappings; classes of other libraries become the mapping that they are.

    torch would import what an entry of another kind names.
    """
    try:
        protocol, tree = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{text[:80]!r} does not say how outputs are nested") from error
    if protocol != 1:
        raise ValueError(f"protocol {protocol!r} of nested outputs is not known")
    return json.dumps([1, _plain_tree(Tree.model_validate(tree))])


def _plain_tree(tree: Tree) -> dict[str, Any]:
    children = [_plain_tree(child) for child in tree.children_spec]
    if tree.type is None and tree.context is None and not children:
        return {"type": None, "context": None, "children_spec": []}
    if tree.type in ("builtins.tuple", "builtins.list"):
        return {"type": tree.type, "context": "null", "children_spec": children}
    if tree.type == "collections.namedtuple":
        return {"type": "builtins.tuple", "context": "null", "children_spec": children}
    keys = json.loads(tree.context) if isinstance(tree.context, str) else tree.context
    if not isinstance(keys, list) or len(keys) != len(children) or not all(isinstance(key, str) for key in keys):
        raise ValueError(f"outputs in a {str(tree.type)[:80]!r} are not known here")
    return {
        "type": "builtins.dict",
        "context": json.dumps([_identifier(key) for key in keys]),
        "children_spec": children,
    }


class CallSignature(Part):
    """How the program is called."""

    inputs: list[Argument]
    outputs: list[Argument]
    in_spec: Annotated[str, AfterValidator(_tree)]
    out_spec: Annotated[str, AfterValidator(_tree)]
    forward_arg_names: list[Identifier] | None = None


class CallEntry(Part):
    """How the program as a whole is called; entries of its modules are dropped."""

    fqn: Literal[""]
    signature: CallSignature | None = None


def _of_the_whole(entries: Any) -> Any:
    """How the program is called, without how its modules were."""
    return (
        [one for one in entries if isinstance(one, dict) and one.get("fqn") == ""]
        if isinstance(entries, list)
        else entries
    )


class GraphModule(Part):
    """The graph and how it is called."""

    graph: Graph
    signature: Signature
    module_call_graph: Annotated[list[CallEntry], BeforeValidator(_of_the_whole)]
    metadata: Left = {}
    treespec_namedtuple_fields: Left = {}


class SchemaVersion(Part):
    """The version of torch's schema that the file follows."""

    major: Small
    minor: Small


class Program(Part):
    """The whole: torch.export's models/model.json."""

    graph_module: GraphModule
    opset_version: dict[Identifier, Small]
    range_constraints: dict[Annotated[str, AfterValidator(_symbol_name)], Range]
    schema_version: SchemaVersion
    verifiers: list[Literal["", "ATEN", "TRAINING"]] = []
    torch_version: Annotated[str, Field(pattern=r"^[0-9A-Za-z.+<=\- ]{1,60}$")] = "<=2.4"
    guards_code: list[Annotated[str, AfterValidator(guard)]] = []


class Payload(Part):
    """A weight or constant: raw numbers in a member of the archive of its own."""

    path_name: Annotated[str, Field(pattern="^(weight|tensor)_[0-9]{1,9}$")]
    is_param: bool
    use_pickle: Literal[False]
    tensor_meta: TensorMeta


class Payloads(Part):
    """Where each weight or constant lies, by its name."""

    config: dict[StateName, Payload]
