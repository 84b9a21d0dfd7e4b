using Offload.Engine.Models;
using Offload.Engine.Tests.Training;
using Offload.Engine.Training;
using Offload.Swap.Planning;
using Offload.Tests.Infrastructure;

namespace Offload.Engine.Tests.Swapping;

/// <summary>One letter of the text has an infinite embedding: the step that meets it has gradients that are no numbers.</summary>
[Collection(nameof(ProcessWide))]
public sealed class SwapNonFiniteTests : IDisposable
{
    private const int Width = 32;

    private readonly TinyRun _inputs = new();
    private readonly string _model;

    public SwapNonFiniteTests()
    {
        Directory.CreateDirectory(_inputs["scratch"]);
        _model = _inputs.WriteWeights("infinite", (name, values) =>
        {
            if (name == "model.embed_tokens.weight")
            {
                values['Z' * Width] = float.PositiveInfinity;
            }
        });
    }

    public void Dispose() => _inputs.Dispose();

    [Theory]
    [InlineData(UpdateMode.Deferred, true)]
    [InlineData(UpdateMode.Deferred, false)]
    [InlineData(UpdateMode.Separate, true)]
    [InlineData(UpdateMode.Separate, false)]
    [InlineData(UpdateMode.Speculative, true)]
    [InlineData(UpdateMode.Speculative, false)]
    public void Run_OneStepGivesNaN_IsSkippedAsByTheResidentModel(UpdateMode update, bool isDurable)
    {
        SwapFaultSitting expected = WriteText(NewRun(StepOrder.LayerMajor, update, isDurable, seed: 0));

        for (int seed = 1; seed <= 2; seed++)
        {
            SwapFaultRun run = NewRun(seed % 2 == 0 ? StepOrder.LayerMajor : StepOrder.MicroBatchMajor, update, isDurable, seed);
            run.Clear();
            SwapFaultSitting sitting = run.RunSwapped(cancellation: TestContext.Current.CancellationToken);

            Assert.True(sitting.Error is null, $"{run.Name}: {sitting.Error}");
            Assert.Equal(expected.Skipped, sitting.Skipped);
            Assert.Equal(expected.WeightsHash, sitting.WeightsHash);
        }
    }

    [Theory]
    [InlineData(StepOrder.LayerMajor, true)]
    [InlineData(StepOrder.LayerMajor, false)]
    [InlineData(StepOrder.MicroBatchMajor, true)]
    [InlineData(StepOrder.Fuyou, true)]
    public void Run_OneStepGivesNaNAndUnitsAreUpdatedAtOnce_StopsThereAndResumesAtTheLastCommit(StepOrder order, bool isDurable)
    {
        SwapFaultRun skipping = NewRun(order, UpdateMode.Immediate, isDurable, seed: 0, NonFiniteAction.Skip);
        SwapFaultSitting expected = WriteText(skipping);
        long diverging = Assert.Single(expected.Skipped);

        for (int seed = 1; seed <= 2; seed++)
        {
            SwapFaultRun run = NewRun(order, UpdateMode.Immediate, isDurable, seed);
            run.Clear();
            SwapFaultSitting sitting = run.RunSwapped(cancellation: TestContext.Current.CancellationToken);
            long committed = run.CommittedStep() ?? 0;

            var error = Assert.IsType<TrainingDivergedException>(sitting.Error);
            Assert.StartsWith("training diverged: the gradient of the ", error.Message, StringComparison.Ordinal);
            Assert.EndsWith($" is not finite in step {diverging}", error.Message, StringComparison.Ordinal);
            Assert.InRange(committed, 0, diverging - 1);

            // It comes to the same step again, and a resident model may leave it out.
            SwapFaultSitting again = run.ResumeSwapped(planSeed: seed);
            Assert.IsType<TrainingDivergedException>(again.Error);
            Assert.Equal(committed + 1 < diverging ? committed + 1 : null, again.FirstStep);
            SwapFaultSitting resident = skipping.RunResident(resume: true);
            Assert.True(resident.Error is null, $"{run.Name}: {resident.Error}");
            Assert.Equal((run.CommittedStep(), expected.WeightsHash), (SwapFaultRun.Steps, resident.WeightsHash));
        }
    }

    private SwapFaultRun NewRun(StepOrder order, UpdateMode update, bool isDurable, int seed, NonFiniteAction? onNonFinite = null) =>
        new(_inputs.Folder, order, update, new Random(seed))
        {
            IsDurable = isDurable,
            Type = ComputeType.Float32,
            Model = _model,
            EvalFraction = 0,
            OnNonFinite = onNonFinite ?? (update == UpdateMode.Immediate ? NonFiniteAction.Stop : NonFiniteAction.Skip),
        };

    /// <summary>Writes the letter where a resident run meets it once, and not first; returns that run.</summary>
    private SwapFaultSitting WriteText(SwapFaultRun run)
    {
        string text = File.ReadAllText(TinyModel.WriteText(_inputs.DataFile, numWords: 60));
        for (int position = 4; position < text.Length; position += 16)
        {
            File.WriteAllText(_inputs.DataFile, string.Concat(text.AsSpan(0, position), "Z", text.AsSpan(position + 1)));
            run.Clear();
            SwapFaultSitting sitting = run.RunResident(resume: false);
            if (sitting.Skipped is [> 1])
            {
                run.Clear();
                return sitting;
            }
        }

        throw new InvalidOperationException("no step meets the letter");
    }
}
