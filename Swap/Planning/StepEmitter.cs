using Offload.Swap.Schedules;

namespace Offload.Swap.Planning;

/// <summary>
/// The operations that every order of work is made of, over the slots of a plan. Each call of an emitter adds operations in program order; the
/// order of the calls is the builder's whole decision. One thread.
/// </summary>
internal sealed class StepEmitter
{
    // Of one micro-batch: read by a unit, written for the next.
    private const int NumHiddenForward = 2;

    // And one that is still on its way out or already coming in.
    private const int NumHiddenTrain = 3;

    private readonly PlanContext _context;

    private StepEmitter(Workload work, SwapPlan plan, Pass pass)
    {
        // All micro-batches' inputs of a unit, and the first output of it; or those of one micro-batch at a time.
        bool isLayerMajor = plan.Order == StepOrder.LayerMajor;
        GroupSize = isLayerMajor ? work.NumMicroBatches : 1;
        _context = new PlanContext(work, plan, pass, GroupSize, isLayerMajor ? work.NumMicroBatches + 1 : pass == Pass.Train ? NumHiddenTrain : NumHiddenForward);
        Weights = new WeightEmitter(_context);
        Activations = new ActivationEmitter(_context);
        Gradients = new GradientEmitter(_context);
        Compute = new ComputeEmitter(_context, Weights, Activations, Gradients);
        Updates = new UpdateEmitter(_context, Weights, Gradients);
    }

    /// <summary>For training, or the drain after it.</summary>
    public static StepEmitter ForTraining(Workload work, SwapPlan plan) => new(work, plan, Pass.Train);

    /// <summary>For forward alone.</summary>
    public static StepEmitter ForForward(Workload work, SwapPlan plan) => new(work, plan, Pass.Forward);

    /// <summary>Micro-batches that go through the units together.</summary>
    public int GroupSize { get; }

    /// <summary>Weights.</summary>
    public WeightEmitter Weights { get; }

    /// <summary>Inputs and activations.</summary>
    public ActivationEmitter Activations { get; }

    /// <summary>Gradients.</summary>
    public GradientEmitter Gradients { get; }

    /// <summary>Forward and backward.</summary>
    public ComputeEmitter Compute { get; }

    /// <summary>Updates.</summary>
    public UpdateEmitter Updates { get; }

    /// <summary>Which updates come when.</summary>
    public DelayedTiles Delayed => _context.Delayed;

    /// <summary>The schedule of all that was added.</summary>
    public StepSchedule Build() => _context.Builder.Build();
}
