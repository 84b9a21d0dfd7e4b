using Offload.Engine.Models;
using Offload.Engine.Optimizers;
using Offload.Swap.Schedules;

namespace Offload.Engine.Swapping;

/// <summary>
/// Makes compute and updates as slow as other processors, for tests and measurements: they are done, and what such a processor would take is waited
/// for. One thread a lane.
/// </summary>
/// <param name="engine">What the lanes share.</param>
/// <param name="options">The rates.</param>
internal sealed class ProcessorThrottle(SwapEngine engine, SwapModelOptions options)
{
    private readonly Pace _compute = new();
    private readonly Pace _update = new();
    private readonly int _gradientBytes = engine.Type == ComputeType.Float32 ? sizeof(float) : sizeof(ushort);
    private readonly int _updateBytes = (2 * AdamWParts.BytesPerParameter) + (engine.Type == ComputeType.Float32 ? sizeof(float) : sizeof(ushort));

    /// <summary>Waits until an operation that is done would be over.</summary>
    /// <param name="operation">Of <see cref="Lane.Compute"/> or <see cref="Lane.CpuUpdate"/>.</param>
    /// <param name="startTimestamp">When it began.</param>
    /// <param name="cancellation">Ends the wait.</param>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public void Keep(in Operation operation, long startTimestamp, CancellationToken cancellation)
    {
        double seconds = SecondsOf(operation);
        if (seconds > 0)
        {
            (operation.Lane == Lane.Compute ? _compute : _update).Keep(startTimestamp, seconds, cancellation);
        }
    }

    private double SecondsOf(in Operation operation) => operation.Kind switch
    {
        OperationKind.Forward or OperationKind.HeadLoss or OperationKind.ForwardLoss or OperationKind.Backward =>
            (operation.Flops + operation.AttentionFlops) / options.ComputeFlopsPerSecond,
        // fp32 sums in, gradients out.
        OperationKind.RoundGradients => Parameters(operation) * (sizeof(float) + _gradientBytes) / options.GpuBytesPerSecond,
        OperationKind.NormOnGpu => Parameters(operation) * _gradientBytes / options.GpuBytesPerSecond,
        // States in and out, a gradient in.
        OperationKind.UpdateOnGpu => operation.Amount * (double)_updateBytes / options.GpuBytesPerSecond,
        OperationKind.UpdateStates => operation.Amount / options.UpdateParametersPerSecond,
        OperationKind.GradientNorm => Parameters(operation) * _gradientBytes / (options.UpdateParametersPerSecond * _updateBytes),
        _ => null,
    } ?? 0;

    private double Parameters(in Operation operation) => engine.Layout.Units[operation.Unit].Count;
}
