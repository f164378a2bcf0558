"""Machine code on vectors of floats, made for this processor by LLVM: loops, loads, products and sums.

What torch's libraries lack is written here in Python, turned into LLVM's intermediate language by llvmlite,
and compiled when it is first needed, in a twentieth of a second. LLVM's passes over the code are left out: they
take longer than that, and what is written here leaves them nothing to do.
"""

import ctypes
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import count
from typing import Any

from llvmlite import binding as llvm
from llvmlite import ir

from landscape_nb._common.settings import allowed_isa

INTEGER = ir.IntType(64)
NUMBER = ir.FloatType()
POINTER = ir.PointerType()
_C_TYPES = {INTEGER: ctypes.c_int64, NUMBER: ctypes.c_float, POINTER: ctypes.c_void_p}
_NUMBERS = count()
_FUSED = ("contract",)
"""Lets a product and a sum round once, as processors like it."""


@dataclass(frozen=True)
class Processor:
    """What a processor computes with: how many floats are in a vector register, and how many registers there are."""

    lanes: int
    registers: int


@cache
def this_processor() -> Processor | None:
    """The vector registers of this processor, as far as they may be used; None unless it has AVX2 or AVX-512.

    Example:
        >>> this_processor() is None or this_processor().lanes in (8, 16)
        True
    """
    if allowed_isa() == "none":
        return None
    features = _features()
    if features.get("avx512f") and features.get("avx512vl"):
        return Processor(16, 32)
    if features.get("avx2") and features.get("fma"):
        return Processor(8, 16)
    return None


def _features() -> llvm.FeatureMap:
    """What this processor can do, as far as it is allowed."""
    features = llvm.get_host_cpu_features()
    if allowed_isa() == "avx2":
        features |= {name: False for name in features if name.startswith(("avx512", "avx10", "evex512"))}
    return features


class Value:
    """An integer, a vector or a truth value in a function that is being written: arithmetic on it is written down."""

    def __init__(self, builder: ir.IRBuilder, code: ir.Value):
        self.builder, self.code = builder, code

    def _made(self, other: "Value | float", on_integers: str, on_vectors: str) -> "Value":
        right = _code(other, self.code.type)
        if isinstance(self.code.type, ir.VectorType):
            return Value(self.builder, getattr(self.builder, on_vectors)(self.code, right, flags=_FUSED))
        return Value(self.builder, getattr(self.builder, on_integers)(self.code, right))

    def __add__(self, other: "Value | float") -> "Value":
        return self._made(other, "add", "fadd")

    def __sub__(self, other: "Value | float") -> "Value":
        return self._made(other, "sub", "fsub")

    def __mul__(self, other: "Value | float") -> "Value":
        return self._made(other, "mul", "fmul")

    def __floordiv__(self, other: "Value | int") -> "Value":
        return self._made(other, "udiv", "")

    def __mod__(self, other: "Value | int") -> "Value":
        return self._made(other, "urem", "")

    def __and__(self, other: "Value") -> "Value":
        return self._made(other, "and_", "")

    def __lt__(self, other: "Value | float") -> "Value":
        right = _code(other, self.code.type)
        if isinstance(self.code.type, ir.VectorType):
            return Value(self.builder, self.builder.fcmp_ordered("<", self.code, right))
        return Value(self.builder, self.builder.icmp_unsigned("<", self.code, right))

    __radd__, __rmul__ = __add__, __mul__


def _code(value: Value | float, kind: ir.Type) -> ir.Value:
    """A value's code, or a number as a constant of that type: everywhere in a vector."""
    if isinstance(value, Value):
        return value.code
    return ir.Constant(kind, [value] * kind.count if isinstance(kind, ir.VectorType) else value)


class Writer:
    """Writes a function of loops and arithmetic; integers in it count from 0.

    Args:
        arguments: Types of its arguments. What is written through one pointer must not be read through another.
        lanes: Floats in a vector.

    Example:
        Add 1 to eight numbers.

        >>> import numpy as np
        >>> writer = Writer([POINTER], lanes=8)
        >>> (numbers,) = writer.arguments
        >>> writer.store(writer.load(numbers) + 1, numbers)
        >>> add_one, array = writer.compiled(), np.arange(8, dtype=np.float32)
        >>> add_one(array.ctypes.data)
        >>> array
        array([1., 2., 3., 4., 5., 6., 7., 8.], dtype=float32)
    """

    def __init__(self, arguments: Sequence[ir.Type], lanes: int):
        self.vector = ir.VectorType(NUMBER, lanes)
        self._module = ir.Module()
        self._module.triple = llvm.get_process_triple()
        self._function = ir.Function(
            self._module, ir.FunctionType(ir.VoidType(), arguments), f"function{next(_NUMBERS)}"
        )
        for argument in self._function.args:
            if argument.type == POINTER:
                argument.add_attribute("noalias")
        self._builder = ir.IRBuilder(self._function.append_basic_block())
        self.arguments = [self._value(argument) for argument in self._function.args]

    def _value(self, code: ir.Value) -> Value:
        return Value(self._builder, code)

    def numbers(self, value: float) -> Value:
        """A vector of one number."""
        return self._value(_code(value, self.vector))

    def at(self, pointer: Value, floats: Value | int) -> Value:
        """The pointer, so many floats on."""
        return self._value(self._builder.gep(pointer.code, [_code(floats, INTEGER)], source_etype=NUMBER))

    def load(self, pointer: Value) -> Value:
        """The vector there."""
        return self._value(self._builder.load(pointer.code, typ=self.vector, align=4))

    def spread(self, number: Value) -> Value:
        """A vector of the number at a pointer, or of a number."""
        if number.code.type == POINTER:
            number = self._value(self._builder.load(number.code, typ=NUMBER, align=4))
        nothing, first = ir.Constant(self.vector, ir.Undefined), ir.Constant(ir.IntType(32), 0)
        everywhere = ir.Constant(ir.VectorType(first.type, self.vector.count), None)
        alone = self._builder.insert_element(nothing, number.code, first)
        return self._value(self._builder.shuffle_vector(alone, nothing, everywhere))

    def store(self, vector: Value, pointer: Value) -> None:
        """Write a vector there."""
        self._builder.store(vector.code, pointer.code, align=4)

    def choose(self, condition: Value, one: Value, other: Value | int) -> Value:
        """One where the condition holds, else the other."""
        return self._value(self._builder.select(condition.code, one.code, _code(other, one.code.type)))

    @contextmanager
    def loop(self, stop: Value | int, step: int = 1, carried: list[Value] | None = None) -> Iterator[Value]:
        """Write what is done for 0, step, 2 step, … below `stop`.

        Args:
            stop: Where to stop.
            step: From one to the next.
            carried: Values that one round hands to the next: the list holds, and takes, those of the round,
                and in the end those of the last.
        """
        builder, carried = self._builder, carried if carried is not None else []
        before, head = builder.block, builder.append_basic_block()
        body, after = builder.append_basic_block(), builder.append_basic_block()
        builder.branch(head)
        builder.position_at_end(head)
        start = [self._value(_code(0, INTEGER)), *carried]
        handed = [builder.phi(value.code.type) for value in start]
        for phi, value in zip(handed, start, strict=True):
            phi.add_incoming(value.code, before)
        index, *carried[:] = map(self._value, handed)
        builder.cbranch((index < stop).code, body, after)
        builder.position_at_end(body)
        yield index
        for phi, value in zip(handed, (index + step, *carried), strict=True):
            phi.add_incoming(value.code, builder.block)
        builder.branch(head)
        builder.position_at_end(after)
        carried[:] = map(self._value, handed[1:])

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """Write what is done where the condition holds."""
        with self._builder.if_then(condition.code):
            yield

    def compiled(self) -> Callable[..., Any]:
        """The function as machine code for this processor; pointers are given as addresses."""
        self._builder.ret_void()
        module = llvm.parse_assembly(str(self._module))
        module.verify()
        code, memory = _machine().emit_object(module), _memory()
        memory.add_object_file(llvm.ObjectFileRef.from_data(code))
        types = [_C_TYPES[argument.type] for argument in self._function.args]
        function = ctypes.CFUNCTYPE(None, *types)(memory.get_function_address(self._function.name))
        function.memory = memory  # the code is gone with it
        return function


@cache
def _machine() -> llvm.TargetMachine:
    """What turns LLVM's intermediate language into this processor's."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(llvm.get_host_cpu_name(), _features().flatten(), opt=3)


def _memory() -> llvm.ExecutionEngine:
    """What holds one function's machine code: that alone, for LLVM's other notes on a function take a megabyte."""
    machine = llvm.Target.from_default_triple().create_target_machine()
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
