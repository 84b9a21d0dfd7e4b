using System.Collections.Concurrent;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Interop;

/// <summary>
/// Numbers as libtorch takes them, which stay. TorchSharp passes a scalar's handle to libtorch and holds on to the object no longer: of a number
/// that it has to convert itself, the collector may free the scalar while libtorch reads it (seen as "Expected false to be true", Scalar.h; it
/// could as well be another number). So numbers, and sums (which have a factor of one inside), go through here; a test reads the assembly for
/// others. Any thread.
/// </summary>
internal static class Scalars
{
    /// <summary>1: for the sums that TorchSharp would make one for itself.</summary>
    public static readonly Scalar One = 1.ToScalar();

    /// <summary>0.</summary>
    public static readonly Scalar Zero = 0.ToScalar();

    // A program has a few dozen constants; a model's settings add one or two.
    private static readonly ConcurrentDictionary<double, Scalar> Numbers = new();
    private static readonly ConcurrentDictionary<long, Scalar> Integers = new();

    /// <summary>A number, kept for good: for constants and settings, not for values that change.</summary>
    public static Scalar Of(double value) => Numbers.GetOrAdd(value, static number => number.ToScalar());

    /// <summary>An integer, kept for good.</summary>
    public static Scalar Of(long value) => Integers.GetOrAdd(value, static number => number.ToScalar());

    /// <summary>a + b.</summary>
    public static Tensor Plus(this Tensor a, Tensor b) => a.add(b, One);

    /// <summary>a + b.</summary>
    public static Tensor Plus(this Tensor a, double b) => a.add(Of(b), One);

    /// <summary>a b.</summary>
    public static Tensor Times(this Tensor a, double b) => a.mul(Of(b));

    /// <summary>1 - a.</summary>
    public static Tensor OneMinus(this Tensor a) => a.neg().add(One, One);
}
