using Offload.Engine.Compute;
using Offload.Engine.Data;
using Offload.Engine.Tokenization;

namespace Offload.Engine.Training;

/// <summary>The tokens of a run, cut into sequences for training and evaluation. Owns the open token files.</summary>
internal sealed class TrainingData : IDisposable
{
    /// <summary>Sequences to set aside by default at most: a perplexity over 200 of them is good to about a percent, and quick.</summary>
    private const int DefaultMaxEvalSequences = 200;

    private readonly TokenStore _train;
    private readonly TokenStore? _eval;

    private TrainingData(TokenStore train, TokenStore? eval, TrainingOptions options, int sequenceTokens, int paddingId)
    {
        _train = train;
        _eval = eval;
        var all = new PackedDataset(train, sequenceTokens, paddingId);
        if (eval is not null)
        {
            EvalFraction = 0;
            Train = new BatchSource(all, SequenceOrder.Shuffled(all.NumSequences, options.Seed));
            Eval = InOrder(new PackedDataset(eval, sequenceTokens, paddingId));
        }
        else
        {
            EvalFraction = options.EvalFraction ?? Math.Min(EvalSplit.DefaultFraction, DefaultMaxEvalSequences / (double)all.NumSequences);
            (ISequenceDataset trainSet, ISequenceDataset? evalSet) = EvalSplit.Split(all, EvalFraction, options.Seed);
            Train = new BatchSource(trainSet, SequenceOrder.Shuffled(trainSet.NumSequences, options.Seed));
            Eval = evalSet is null ? null : InOrder(evalSet);
        }
    }

    /// <summary>Training sequences, shuffled.</summary>
    public BatchSource Train { get; }

    /// <summary>Evaluation sequences; null if there are none.</summary>
    public BatchSource? Eval { get; }

    /// <summary>Share that was set aside; 0 if evaluation has files of its own.</summary>
    public double EvalFraction { get; }

    /// <summary>Hash of the training tokens.</summary>
    public string TrainHash => _train.ContentHash.ToString("x16");

    /// <summary>Hash of the evaluation files' tokens; null if there are none.</summary>
    public string? EvalHash => _eval?.ContentHash.ToString("x16");

    /// <summary>Number of training and own evaluation tokens.</summary>
    public long NumTokens => _train.NumTokens + (_eval?.NumTokens ?? 0);

    /// <summary>Tokenises the data, unless an earlier sitting of the run has done so.</summary>
    public static TrainingData Prepare(
        TrainingOptions options, RunFolder folder, ITokenizer tokenizer, int vocabularySize, int sequenceTokens, ITrainingObserver observer, CancellationToken cancellation)
    {
        TokenStore train = Open(options.DataFiles, folder.TrainTokensFile);
        TokenStore? eval = null;
        try
        {
            eval = options.EvalFiles.Count == 0 ? null : Open(options.EvalFiles, folder.EvalTokensFile);
            return new TrainingData(train, eval, options, sequenceTokens, tokenizer.EndOfTextId ?? 0);
        }
        catch
        {
            train.Dispose();
            eval?.Dispose();
            throw;
        }

        TokenStore Open(IReadOnlyList<string> files, string tokensFile)
        {
            // Without a commit the run starts anew, perhaps with other data.
            if (options.Resume && File.Exists(tokensFile) && folder.Checkpoints.ReadCommit() is not null)
            {
                return OpenVerified(tokensFile);
            }

            var progress = new ObserverProgress(observer);
            return CorpusTokenizer.TokenizeAsync(files, tokenizer, vocabularySize, tokensFile, progress, cancellation).GetAwaiter().GetResult();
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

    private sealed class ObserverProgress(ITrainingObserver observer) : IProgress<TokenizingProgress>
    {
        public void Report(TokenizingProgress value) => observer.OnTokenizing(value);
    }
}
