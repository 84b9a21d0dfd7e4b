namespace Offload.Engine.Optimizers;

/// <summary>
/// Where the four state arrays of a run of parameters lie: 12 bytes a parameter. Only addresses: the memory is the caller's and must
/// stay where it is (native or pinned) while a kernel runs. Aligning each array to 64 bytes is fastest, any alignment is right.
/// </summary>
/// <param name="weightHigh">bfloat16 weights: the high halves of the master weights. [count]</param>
/// <param name="weightLow">Low halves of the master weights. [count]</param>
/// <param name="firstMoment">float32. [count]</param>
/// <param name="secondMoment">float32. [count]</param>
internal readonly unsafe struct AdamWStates(ushort* weightHigh, short* weightLow, float* firstMoment, float* secondMoment)
{
    /// <summary>bfloat16 weights: the high halves of the master weights.</summary>
    public ushort* WeightHigh { get; } = weightHigh;

    /// <summary>Low halves of the master weights.</summary>
    public short* WeightLow { get; } = weightLow;

    /// <summary>First moment, float32.</summary>
    public float* FirstMoment { get; } = firstMoment;

    /// <summary>Second moment, float32.</summary>
    public float* SecondMoment { get; } = secondMoment;

    /// <summary>The states from the parameter at <paramref name="start"/> on.</summary>
    public AdamWStates From(long start) => new(WeightHigh + start, WeightLow + start, FirstMoment + start, SecondMoment + start);
}
