using System.Runtime.InteropServices;
using Offload.Engine.Optimizers;

namespace Offload.Engine.Cuda.Kernels;

/// <summary>Where states lie, laid out as the structure of the same name in optimizer.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct AdamWArrays(AdamWStates states)
{
    private readonly ushort* _high = states.WeightHigh;
    private readonly short* _low = states.WeightLow;
    private readonly float* _firstMoment = states.FirstMoment;
    private readonly float* _secondMoment = states.SecondMoment;
}
