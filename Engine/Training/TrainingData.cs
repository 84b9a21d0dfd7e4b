using Offload.Engine.Compute;
using Offload.Engine.Data;
using Offload.Engine.Tokenization;
using Offload.Profiles;

namespace Offload.Engine.Training;

/// <summary>The tokens of a run, cut into sequences for training and evaluation. Owns the open token files.</summary>
internal sealed class TrainingData : IDisposable
{
    /// <summary>Sequences to set aside by default at most: a perplexity over 200 of them is good to about a percent, and quick.</summary>
    private const int DefaultMaxEvalSequences = 200;

    private readonly TokenStore _train;
    private readonly TokenStore? _eval;

    private TrainingData(OpenTokens train, OpenTokens? eval, double? evalFraction, RunNumerics numerics, int paddingId)
    {
        _train = train.Store;
        _eval = eval?.Store;
        TrainFiles = train.Files;
        EvalFiles = eval?.Files ?? [];
        int sequenceTokens = numerics.SequenceTokens;
        var all = new PackedDataset(_train, sequenceTokens, paddingId);
        if (_eval is not null)
        {
            EvalFraction = 0;
            Train = new BatchSource(all, SequenceOrder.Shuffled(all.NumSequences, numerics.Seed));
            Eval = InOrder(new PackedDataset(_eval, sequenceTokens, paddingId));
        }
        else
        {
            EvalFraction = evalFraction ?? Math.Min(EvalSplit.DefaultFraction, DefaultMaxEvalSequences / (double)all.NumSequences);
            (ISequenceDataset trainSet, ISequenceDataset? evalSet) = EvalSplit.Split(all, EvalFraction, numerics.Seed);
            Train = new BatchSource(trainSet, SequenceOrder.Shuffled(trainSet.NumSequences, numerics.Seed));
            Eval = evalSet is null ? null : InOrder(evalSet);
        }
    }

    /// <summary>Training sequences, shuffled.</summary>
    public BatchSource Train { get; }

    /// <summary>Evaluation sequences; null if there are none.</summary>
    public BatchSource? Eval { get; }

    /// <summary>Share that was set aside; 0 if evaluation has files of its own.</summary>
    public double EvalFraction { get; }

    /// <summary>What the training tokens were made of.</summary>
    public IReadOnlyList<RunInput> TrainFiles { get; }

    /// <summary>What the evaluation's own tokens were made of; empty if it has none.</summary>
    public IReadOnlyList<RunInput> EvalFiles { get; }

    /// <summary>Hash of the training tokens.</summary>
    public string TrainHash => _train.ContentHash.ToString("x16");

    /// <summary>Hash of the evaluation files' tokens; null if there are none.</summary>
    public string? EvalHash => _eval?.ContentHash.ToString("x16");

    /// <summary>Number of training and own evaluation tokens.</summary>
    public long NumTokens => _train.NumTokens + (_eval?.NumTokens ?? 0);

    /// <summary>Tokenises the data, unless an earlier sitting of the run has done so.</summary>
    /// <param name="options">The files, and the share for evaluation.</param>
    /// <param name="before">Of the run that is resumed: what is not asked for stays; null for a new run, which takes no earlier tokens.</param>
    /// <param name="numerics">Length of sequences, and seed.</param>
    /// <param name="folder">Where the tokens go.</param>
    /// <param name="tokenizer">The model's.</param>
    /// <param name="vocabularySize">The model's.</param>
    /// <param name="observer">Told of progress.</param>
    /// <param name="cancellation">Stops it.</param>
    /// <exception cref="UsageException">Other files than the resumed run's, or none where some are needed.</exception>
    public static TrainingData Prepare(
        TrainingOptions options,
        RunSettings? before,
        RunNumerics numerics,
        RunFolder folder,
        ITokenizer tokenizer,
        int vocabularySize,
        ITrainingObserver observer,
        CancellationToken cancellation)
    {
        OpenTokens train = Open("--data", options.DataFiles, before?.DataFiles, folder.TrainTokensFile);
        OpenTokens? eval = null;
        try
        {
            bool hasEvalFiles = options.EvalFiles.Count > 0 || before?.EvalFiles.Count > 0;
            eval = hasEvalFiles ? Open("--eval-data", options.EvalFiles, before?.EvalFiles, folder.EvalTokensFile) : null;
            return new TrainingData(train, eval, options.EvalFraction ?? before?.EvalFraction, numerics, tokenizer.EndOfTextId ?? 0);
        }
        catch
        {
            train.Store.Dispose();
            eval?.Store.Dispose();
            throw;
        }

        OpenTokens Open(string option, IReadOnlyList<string> paths, IReadOnlyList<RunInput>? recorded, string tokensFile)
        {
            IReadOnlyList<RunInput> files = paths.Count == 0 && recorded is not null ? recorded : RunInput.Of(paths, cancellation);
            if (recorded is not null && !RunInput.AreSame(files, recorded))
            {
                throw new UsageException(
                    $"--resume: {option}: {RunInput.Describe(recorded)} before, {RunInput.Describe(files)} now",
                    $"a resumed run keeps its data: leave {option} out, or start another run");
            }

            // Without a commit the run starts anew, perhaps with other data or another tokenizer.
            if (recorded is not null && File.Exists(tokensFile))
            {
                return new OpenTokens(OpenVerified(tokensFile), files);
            }

            if (paths.Count == 0)
            {
                throw new UsageException($"{option} is missing: expected the data files, there are no tokens in {tokensFile}", $"give {option} as when the run began");
            }

            var progress = new ObserverProgress(observer);
            TokenStore store = CorpusTokenizer.TokenizeAsync(paths, tokenizer, vocabularySize, tokensFile, progress, cancellation).GetAwaiter().GetResult();
            return new OpenTokens(store, files);
        }
    }

    /// <summary>The evaluation's micro-batches.</summary>
    /// <param name="microBatchSequences">Sequences of each.</param>
    public IEnumerable<MicroBatch> EvalBatches(int microBatchSequences) =>
        Eval is null ? [] : Eval.ReadRange(0, Eval.NumSequences, microBatchSequences);

    public void Dispose()
    {
        _train.Dispose();
        _eval?.Dispose();
    }

    private static TokenStore OpenVerified(string tokensFile)
    {
        TokenStore store = TokenStore.Open(tokensFile);
        try
        {
            store.Verify();
            return store;
        }
        catch
        {
            store.Dispose();
            throw;
        }
    }

    private static BatchSource InOrder(ISequenceDataset dataset) => new(dataset, SequenceOrder.AsStored(dataset.NumSequences));

    private sealed record OpenTokens(TokenStore Store, IReadOnlyList<RunInput> Files);

    private sealed class ObserverProgress(ITrainingObserver observer) : IProgress<TokenizingProgress>
    {
        public void Report(TokenizingProgress value) => observer.OnTokenizing(value);
    }
}
