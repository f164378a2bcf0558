"""Machine code on vectors of floats, made for this processor by LLVM: loops, loads, products and sums.

What torch's libraries lack is written here in Python, turned into LLVM's intermediate representation by llvmlite,
and compiled when it is first needed, in a twentieth of a second. LLVM's optimization passes are left out: they
take longer than that, and the code is written so that they would find nothing to do.
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
Code = ir.NamedValue | ir.Constant
"""A value in LLVM's intermediate representation, which has a type."""
_NUMBERS = count()
_FUSED = ("contract",)
"""Allows a fused multiply-add, which rounds once: the processor has one instruction for it."""


@dataclass(frozen=True)
class Processor:
    """A processor's vector registers: how many floats are in one, and how many registers there are."""

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
    """The instruction sets of this processor that may be used."""
    features = llvm.get_host_cpu_features()
    if allowed_isa() == "avx2":
        features |= {name: False for name in features if name.startswith(("avx512", "avx10", "evex512"))}
    return features


class Value:
    """An integer, a vector or a truth value in a function that is being written: arithmetic on it writes code."""

    def __init__(self, builder: ir.IRBuilder, code: Code):
        self.builder, self.code = builder, code

    def _written(self, other: "Value | float", on_integers: str, on_vectors: str) -> "Value":
        right = _code(other, self.code.type)
        if isinstance(self.code.type, ir.VectorType):
            return Value(self.builder, getattr(self.builder, on_vectors)(self.code, right, flags=_FUSED))
        return Value(self.builder, getattr(self.builder, on_integers)(self.code, right))

    def __add__(self, other: "Value | float") -> "Value":
        return self._written(other, "add", "fadd")

    def __sub__(self, other: "Value | float") -> "Value":
        return self._written(other, "sub", "fsub")

    def __mul__(self, other: "Value | float") -> "Value":
        return self._written(other, "mul", "fmul")

    def __floordiv__(self, other: "Value | int") -> "Value":
        return self._written(other, "udiv", "")

    def __mod__(self, other: "Value | int") -> "Value":
        return self._written(other, "urem", "")

    def __and__(self, other: "Value") -> "Value":
        return self._written(other, "and_", "")

    def __lt__(self, other: "Value | float") -> "Value":
        right = _code(other, self.code.type)
        if isinstance(self.code.type, ir.VectorType):
            return Value(self.builder, self.builder.fcmp_ordered("<", self.code, right))
        return Value(self.builder, self.builder.icmp_unsigned("<", self.code, right))

    __radd__, __rmul__ = __add__, __mul__


def _code(value: Value | float, kind: ir.Type) -> Code:
    """A value's code, or a number as a constant of that type (in a vector, in all lanes)."""
    if isinstance(value, Value):
        return value.code
    return ir.Constant(kind, [value] * kind.count if isinstance(kind, ir.VectorType) else value)


class Writer:
    """Writes a function of loops and arithmetic; integers in it are unsigned.

    Args:
        arguments: Types of its arguments. LLVM is told that pointers do not alias: what is written through one must
            not be read through another afterwards.
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

    def _value(self, code: Code) -> Value:
        return Value(self._builder, code)

    def numbers(self, value: float) -> Value:
        """A vector of one number."""
        return self._value(_code(value, self.vector))

    def at(self, pointer: Value, floats: Value | int) -> Value:
        """The pointer, moved by so many floats."""
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
        """A loop over 0, step, 2 step, … below `stop`; what is written within the `with` statement is its body.

        A value in LLVM is assigned once. What changes from round to round is a phi node at the head of the loop: it is
        the start's value when control comes from before the loop, and the body's when it comes from the body's end.
        Phi nodes written here stay in registers; variables in memory would have to be found and lifted by a pass.
        Every carried value needs its phi before the body is written, and its second source after it: a value that the
        body made and the list does not carry is not defined after the loop, and LLVM's verifier refuses it.

        Args:
            stop: Where to stop.
            step: From one to the next.
            carried: Values that one round passes to the next. In the body the list has this round's values, and has
                to be set to the next round's; after the loop it has the last round's.
        """
        builder, carried = self._builder, carried if carried is not None else []
        before, head = builder.block, builder.append_basic_block()
        body, after = builder.append_basic_block(), builder.append_basic_block()
        builder.branch(head)
        builder.position_at_end(head)
        start = [self._value(_code(0, INTEGER)), *carried]
        phis = [builder.phi(value.code.type) for value in start]
        for phi, value in zip(phis, start, strict=True):
            phi.add_incoming(value.code, before)
        index, *carried[:] = map(self._value, phis)
        builder.cbranch((index < stop).code, body, after)
        builder.position_at_end(body)
        yield index
        for phi, value in zip(phis, (index + step, *carried), strict=True):
            phi.add_incoming(value.code, builder.block)
        builder.branch(head)
        builder.position_at_end(after)
        carried[:] = map(self._value, phis[1:])

    @contextmanager
    def when(self, condition: Value) -> Iterator[None]:
        """What is written within the `with` statement is done only where the condition holds."""
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
        # Without it the code would be freed.
        function.memory = memory  # pyrefly: ignore[missing-attribute]  (functions of ctypes take attributes)
        return function


@cache
def _machine() -> llvm.TargetMachine:
    """Turns LLVM's intermediate representation into this processor's machine code."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple()
    return target.create_target_machine(llvm.get_host_cpu_name(), _features().flatten(), opt=3)


def _memory() -> llvm.ExecutionEngine:
    """Holds one function's machine code, compiled elsewhere: an engine that compiles keeps notes of a megabyte."""
    machine = llvm.Target.from_default_triple().create_target_machine()
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
