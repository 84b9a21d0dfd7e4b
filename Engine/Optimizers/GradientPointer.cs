using Offload.Storage;

namespace Offload.Engine.Optimizers;

/// <summary>
/// Where a run of gradients lies, bfloat16 or float32. Only an address: the memory is the caller's and must stay where it is (native or
/// pinned) while a kernel runs.
/// </summary>
internal readonly unsafe struct GradientPointer
{
    private GradientPointer(void* address, ElementType elementType)
    {
        Address = address;
        ElementType = elementType;
    }

    /// <summary>The first gradient.</summary>
    public void* Address { get; }

    /// <summary><see cref="ElementType.BF16"/> or <see cref="ElementType.F32"/>.</summary>
    public ElementType ElementType { get; }

    /// <summary>Bytes of one gradient: 2 or 4.</summary>
    public int ElementBytes => ElementType == ElementType.BF16 ? sizeof(ushort) : sizeof(float);

    /// <summary>Gradients in bfloat16.</summary>
    public static GradientPointer BFloat16(ushort* address) => new(address, ElementType.BF16);

    /// <summary>Gradients in float32.</summary>
    public static GradientPointer Float32(float* address) => new(address, ElementType.F32);

    /// <summary>The gradients from the one at <paramref name="start"/> on.</summary>
    public GradientPointer From(long start) => new((byte*)Address + (start * ElementBytes), ElementType);
}
