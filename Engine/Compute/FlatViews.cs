using Offload.Engine.Models;
using static TorchSharp.torch;

namespace Offload.Engine.Compute;

/// <summary>Views into a unit's flat buffer.</summary>
internal static class FlatViews
{
    /// <summary>The tensor of a slot; the caller owns the view.</summary>
    /// <param name="flat">[unit's count].</param>
    /// <param name="slot">Where it lies.</param>
    public static Tensor View(Tensor flat, TensorSlot slot)
    {
        long count = 1;
        foreach (long size in slot.Shape)
        {
            count *= size;
        }

        using Tensor range = flat.narrow(0, slot.Offset, count);
        return range.view(slot.Shape);
    }
}
