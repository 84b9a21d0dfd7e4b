using Offload.Engine.Compute;
using Offload.Engine.Hub;
using Offload.Engine.Models;
using Offload.Engine.Parallelism;
using Offload.Engine.Tokenization;
using Offload.Engine.Training;
using Offload.Profiles;
using Offload.Storage;
using Offload.Storage.Safetensors;
using TorchSharp;
using static TorchSharp.torch;

namespace Offload.Engine.Generation;

/// <summary>
/// Continues a text with a model of a Hub folder, so that people see what training changed. Plain: the whole text passes through the
/// model for every token. One thread at a time; libtorch must be loaded.
/// </summary>
public sealed class TextGenerator : IDisposable
{
    private readonly string _modelFolder;
    private readonly ParallelRanges _threads;
    private readonly ResidentModel _model;
    private readonly ITokenizer _tokenizer;
    private readonly HashSet<int> _endIds;

    private TextGenerator(string modelFolder, ModelLayout layout, RunNumerics numerics, ITokenizer tokenizer)
    {
        _modelFolder = modelFolder;
        _tokenizer = tokenizer;
        _endIds = [.. layout.Config.EndOfTextIds];
        if (tokenizer.EndOfTextId is int end)
        {
            _endIds.Add(end);
        }

        _threads = new ParallelRanges(numerics.ComputeThreads);
        _model = new ResidentModel(layout, numerics, _threads, trainable: false);
    }

    /// <summary>Loads a model.</summary>
    /// <param name="folder">Hub folder, or the folder of a run: its last commit.</param>
    /// <param name="type">Element type of compute.</param>
    /// <param name="threads">Threads; null: the machine's cores.</param>
    /// <param name="warn">Told, in one line, of damage that was got round; null: nobody.</param>
    /// <param name="nvmeFolders">Where the run's store is now, if it has moved; null or empty: as the run remembers.</param>
    /// <exception cref="OffloadException">The folder cannot be read.</exception>
    public static TextGenerator Load(
        string folder, ComputeType type = ComputeType.BFloat16, int? threads = null, Action<string>? warn = null, IReadOnlyList<string>? nvmeFolders = null)
    {
        if (RunFolder.IsRun(folder))
        {
            using RunWeights run = RunWeights.Open(folder, nvmeFolders ?? [], warn ?? (_ => { }));
            return Create(run.Base.Folder, run.Base.Layout, type, threads, run.Masters.CopyTo, run.MaxTileBytes);
        }

        if (nvmeFolders is { Count: > 0 })
        {
            throw new UsageException($"--nvme: expected the folder of a run, found no run.json in {folder}", "a model folder has its weights itself");
        }

        HubFolder.Require(folder);
        DecoderConfig config = HubConfig.Load(folder);
        return Create(folder, ModelLayout.Create(config), type, threads, model =>
        {
            using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(folder);
            ModelImport.Read(checkpoint, model);
            model.CompleteMasters();
        });
    }

    private static TextGenerator Create(string modelFolder, ModelLayout layout, ComputeType type, int? threads, Action<ResidentModel> fill, long maxTileBytes = 0)
    {
        var numerics = new RunNumerics
        {
            Type = type,
            // Tables of positions grow with the text.
            SequenceTokens = 64,
            MicroBatchSequences = 1,
            Seed = 0,
            ComputeThreads = threads ?? Environment.ProcessorCount,
        };
        ITokenizer tokenizer = TokenizerLoader.Load(modelFolder);
        ComputeThreads.Set(numerics.ComputeThreads);
        ResidentPlanner.PlanForward(layout, type, maxTileBytes).RequireWithin(CpuMemory.AvailableBytes(), "free memory");
        var generator = new TextGenerator(modelFolder, layout, numerics, tokenizer);
        try
        {
            fill(generator._model);
            return generator;
        }
        catch
        {
            generator.Dispose();
            throw;
        }
    }

    /// <summary>Continues a text until an end-of-text token, the given number of tokens, or the model's last position.</summary>
    /// <param name="prompt">The text.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellation">Stops between tokens.</param>
    /// <returns>The continuation alone.</returns>
    /// <exception cref="UnreadableInputException">The tokenizer gives ids that the model has none for.</exception>
    /// <exception cref="UsageException">The prompt is empty or longer than the model's positions.</exception>
    public string Generate(string prompt, GenerationOptions options, CancellationToken cancellation = default)
    {
        if (prompt.Length == 0)
        {
            throw new UsageException("--prompt: expected a text to continue, found none", "give the first words");
        }

        var ids = new List<int>();
        if (_tokenizer.BeginOfTextId is int begin)
        {
            ids.Add(begin);
        }

        _tokenizer.Encode(prompt, ids);
        int maxTokens = Math.Min(_model.Layout.Config.MaxPositions, _model.Layout.Config.SlidingWindow ?? int.MaxValue);
        if (ids.Count >= maxTokens)
        {
            throw new UsageException($"--prompt: expected at most {maxTokens - 1} tokens, one less than the model's positions, found {ids.Count}", "give a shorter text");
        }

        RequireInVocabulary(ids);
        int promptTokens = ids.Count;
        var sampler = new TokenSampler(options.Temperature, options.TopP, options.Seed);
        while (ids.Count < maxTokens && ids.Count - promptTokens < options.MaxNewTokens)
        {
            cancellation.ThrowIfCancellationRequested();
            int next = sampler.Next(NextLogits(ids));
            if (_endIds.Contains(next))
            {
                break;
            }

            ids.Add(next);
        }

        return _tokenizer.Decode(ids[promptTokens..]);
    }

    /// <summary>Frees the model.</summary>
    public void Dispose()
    {
        _model.Dispose();
        _threads.Dispose();
    }

    private void RequireInVocabulary(List<int> ids)
    {
        int vocabularySize = _model.Layout.Config.VocabularySize;
        int wrong = ids.FindIndex(id => id >= vocabularySize);
        if (wrong >= 0)
        {
            throw new UnreadableInputException(
                _modelFolder, $"the tokenizer does not match the model: it gives id {ids[wrong]}, the model's vocabulary has {vocabularySize} ids", "use the tokenizer that came with the model");
        }
    }

    private float[] NextLogits(List<int> ids)
    {
        using DisposeScope scope = NewDisposeScope();
        int[] current = [.. ids];
        Tensor logits = _model.Logits(new MicroBatch(new BatchShape(1, current.Length), current, new int[current.Length]), lastTokenOnly: true);
        return logits.to(ScalarType.Float32).data<float>().ToArray();
    }
}
