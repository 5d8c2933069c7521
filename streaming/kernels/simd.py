"""Vector instructions for the loops that cost most, as LLVM code: products with eight rows of weights at a time.

A compiler that sees such loops in Python does not vectorise sums (it may not reorder them) and checks every index. Here
eight sums run side by side, in a fixed order, so that a result does not depend on anything but its inputs. LLVM turns
the vectors into whatever the processor has (AVX2, AVX-512, NEON).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

ROWS = 8  # rows of a group, whose sums stay in registers
LANES = 8  # floats of a vector; lengths of rows are multiples of it
FLOAT, INT32 = ir.FloatType(), ir.IntType(32)
VECTOR = ir.VectorType(FLOAT, LANES)
INDEX = ir.IntType(64)
ZERO = ir.Constant(VECTOR, [0.0] * LANES)


def _pointer(context: Any, builder: Any, signature: Any, arguments: Any, position: int) -> Any:
    """Return the address of the first element of an array argument."""
    return context.make_array(signature.args[position])(context, builder, arguments[position]).data


def _load(builder: Any, pointer: Any, index: Any) -> Any:
    """Load a vector of floats that may lie anywhere."""
    loaded = builder.load(builder.bitcast(builder.gep(pointer, [index]), VECTOR.as_pointer()))
    loaded.align = 4
    return loaded


def _store(builder: Any, vector: Any, pointer: Any, index: Any) -> None:
    stored = builder.store(vector, builder.bitcast(builder.gep(pointer, [index]), VECTOR.as_pointer()))
    stored.align = 4


def _multiply_add(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """Return ``a * b + c`` of vectors, rounded once."""
    kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f32"), [a, b, c])


def _shuffle(builder: Any, a: Any, b: Any, lanes: Sequence[int]) -> Any:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(INT32, len(lanes)), list(lanes)))


def _broadcast(builder: Any, scalar: Any) -> Any:
    single = builder.insert_element(ir.Constant(VECTOR, ir.Undefined), scalar, INT32(0))
    return _shuffle(builder, single, single, [0] * LANES)


def _sums(builder: Any, vectors: Sequence[Any]) -> Any:
    """Return one vector whose lane ``i`` is the sum over the lanes of vector ``i``; as many vectors as lanes."""
    even, odd = range(0, 2 * LANES, 2), range(1, 2 * LANES, 2)
    while len(vectors) > 1:
        pairs = list(zip(vectors[::2], vectors[1::2], strict=True))
        vectors = [builder.fadd(_shuffle(builder, a, b, even), _shuffle(builder, a, b, odd)) for a, b in pairs]
    return vectors[0]


def _starts(builder: Any, weights: Any, starts: Any, shift: Any) -> list[Any]:
    """Return the addresses of the rows of a group."""
    offsets = [builder.load(builder.gep(starts, [ir.Constant(INDEX, row)])) for row in range(ROWS)]
    return [builder.gep(weights, [builder.add(offset, shift)]) for offset in offsets]


def _loop(builder: Any, length: Any, carried: Sequence[Any], body: Callable[[Any, list[Any]], list[Any]]) -> list[Any]:
    """Emit ``for i in range(0, length, LANES)``, at least once, with values carried from turn to turn."""
    before = builder.block
    loop, end = builder.append_basic_block("turn"), builder.append_basic_block("end")
    builder.branch(loop)
    builder.position_at_end(loop)
    index = builder.phi(INDEX)
    index.add_incoming(ir.Constant(INDEX, 0), before)
    values = [builder.phi(value.type) for value in carried]
    for value, initial in zip(values, carried, strict=True):
        value.add_incoming(initial, before)
    results = body(index, values)
    following = builder.add(index, ir.Constant(INDEX, LANES))
    index.add_incoming(following, loop)
    for value, result in zip(values, results, strict=True):
        value.add_incoming(result, loop)
    builder.cbranch(builder.icmp_signed("<", following, length), loop, end)
    builder.position_at_end(end)
    return results


@intrinsic
def multiply_rows(
    _context: Any, weights: Any, starts: Any, x: Any, x_start: Any, length: Any, sums: Any
) -> tuple[Any, Any]:
    """``sums[i] = sum_j weights[starts[i] + j] * x[x_start + j]`` for eight rows ``i`` and ``j < length``.

    Arrays are contiguous; ``starts`` int64, ``length`` a positive multiple of eight.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        w, begin, vector, out = (_pointer(context, builder, signature, arguments, i) for i in (0, 1, 2, 5))
        rows = _starts(builder, w, begin, ir.Constant(INDEX, 0))
        vector = builder.gep(vector, [arguments[3]])

        def turn(index: Any, totals: list[Any]) -> list[Any]:
            part = _load(builder, vector, index)
            return [
                _multiply_add(builder, _load(builder, row, index), part, total)
                for row, total in zip(rows, totals, strict=True)
            ]

        totals = _loop(builder, arguments[4], [ZERO] * ROWS, turn)
        _store(builder, _sums(builder, totals), out, ir.Constant(INDEX, 0))
        return context.get_dummy_value()

    return types.void(weights, starts, x, x_start, length, sums), generate


@intrinsic
def add_rows(
    _context: Any, weights: Any, starts: Any, shift: Any, gains: Any, y: Any, y_start: Any, length: Any
) -> tuple[Any, Any]:
    """``y[y_start + j] += sum_i gains[i] * weights[starts[i] + shift + j]`` for eight rows ``i`` and ``j < length``.

    Arrays are contiguous; ``starts`` int64, ``length`` a positive multiple of eight.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        w, begin, gain, out = (_pointer(context, builder, signature, arguments, i) for i in (0, 1, 3, 4))
        rows = _starts(builder, w, begin, arguments[2])
        factors = [
            _broadcast(builder, builder.load(builder.gep(gain, [ir.Constant(INDEX, row)]))) for row in range(ROWS)
        ]
        out = builder.gep(out, [arguments[5]])

        def turn(index: Any, _: list[Any]) -> list[Any]:
            # two chains, so that a sum does not wait for eight products one after the other
            first = _load(builder, out, index)
            second = builder.fmul(_load(builder, rows[0], index), factors[0])
            for row in range(1, ROWS, 2):
                first = _multiply_add(builder, _load(builder, rows[row], index), factors[row], first)
            for row in range(2, ROWS, 2):
                second = _multiply_add(builder, _load(builder, rows[row], index), factors[row], second)
            _store(builder, builder.fadd(first, second), out, index)
            return []

        _loop(builder, arguments[6], [], turn)
        return context.get_dummy_value()

    return types.void(weights, starts, shift, gains, y, y_start, length), generate


@intrinsic
def positive_bits(_context: Any, values: Any, start: Any) -> tuple[Any, Any]:
    """Return a number whose bit ``i`` tells whether ``values[start + i] > 0``, for eight values."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector = _load(builder, _pointer(context, builder, signature, arguments, 0), arguments[1])
        bits = builder.bitcast(builder.fcmp_ordered(">", vector, ZERO), ir.IntType(LANES))
        return builder.zext(bits, INDEX)

    return types.int64(values, start), generate


@intrinsic
def bits_of(_context: Any, value: Any) -> tuple[Any, Any]:
    """Return the bits of a float32 as int32."""
    return types.int32(types.float32), lambda _, builder, __, arguments: builder.bitcast(arguments[0], INT32)


@intrinsic
def float_of(_context: Any, bits: Any) -> tuple[Any, Any]:
    """Return the float32 that has the given bits, an int32."""
    return types.float32(types.int32), lambda _, builder, __, arguments: builder.bitcast(arguments[0], FLOAT)


@intrinsic
def fused(_context: Any, a: Any, b: Any, c: Any) -> tuple[Any, Any]:
    """Return ``a * b + c`` of floats of one type, rounded once."""

    def generate(_: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = arguments[0].type
        name = "llvm.fma.f64" if isinstance(kind, ir.DoubleType) else "llvm.fma.f32"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
        return builder.call(function, arguments)

    return a(a, a, a), generate
