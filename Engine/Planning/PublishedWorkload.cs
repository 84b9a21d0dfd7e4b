using Offload.Engine.Models;
using Offload.Swap.Planning;
using Offload.Swap.Planning.Costs;

namespace Offload.Engine.Planning;

/// <summary>
/// A model's step as the published systems run and count it (LoHan's and Fuyou's released benchmark): decoder layers alone, 16 bytes of states a
/// parameter read and 14 written. For comparisons with their tables; nothing that this program trains. Stateless: any thread.
/// </summary>
internal static class PublishedWorkload
{
    /// <summary>16-bit weights beside the masters, which are both written; reads follow from where weights live.</summary>
    private const int StateWriteBytes = 14;

    /// <summary>Tiles large enough that a plan of 175B parameters is searched in seconds; no published number depends on it.</summary>
    private const long TileParameters = 1 << 24;

    /// <summary>
    /// The calibrated constant: 155.8 of the 165 TFLOPS of the card's data sheet is what the published 13B run reaches at batch 64, where the GPU is
    /// the bound. It stands for kernels below their peak and for element-wise work, which a data sheet does not rate.
    /// </summary>
    public static CostOptions Costs { get; } = new() { ComputeEfficiency = 155.8 / 165 };

    /// <summary>Changes a workload of this program into one of theirs.</summary>
    /// <param name="work">This program's.</param>
    /// <param name="config">The model.</param>
    public static Workload Of(Workload work, DecoderConfig config)
    {
        // What they save or compute again has the MLP's output too: a block is checkpointed as a whole.
        long rowBytes = work.HiddenBytes / config.HiddenSize;
        double rows = (double)rowBytes / work.WeightBytes;
        var down = new ActivationShape("down", work.HiddenBytes, 2 * rows * config.IntermediateSize * config.HiddenSize, 0);
        return work with
        {
            Units =
            [
                .. work.Units.Select(unit => unit.Role == UnitRole.Layer
                    ? unit with { Activations = [.. unit.Activations, down] }
                    : unit with { NumParameters = 0, Flops = 0, ElementBytes = 0 }),
            ],
            IsTied = false,
            StateWriteBytes = StateWriteBytes,
            TileParameters = TileParameters,

            // One layer's at the peak of its backward: all that is computed again, and the MLP's middle after its activation.
            WorkspaceBytes = work.Units[1].Activations.Sum(activation => activation.SizeBytes) + (rowBytes * config.IntermediateSize),
        };
    }
}
