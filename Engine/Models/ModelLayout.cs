using Offload.Storage;

namespace Offload.Engine.Models;

/// <summary>A model as a list of units, each an ordered list of Hub tensors: what is loaded, swapped, updated and exported.</summary>
internal sealed class ModelLayout
{
    private ModelLayout(DecoderConfig config)
    {
        Config = config;
        HubNames names = HubNames.For(config.ModelType);
        InputMajor = names.InputMajor;
        BasePrefix = names.BasePrefix;
        var units = new List<UnitLayout> { BuildEmbedding(config, names) };
        for (int i = 0; i < config.NumLayers; i++)
        {
            UnitLayoutBuilder builder = BuildLayer(config, names, i, out LayerLayout layer);
            Layer = layer;
            units.Add(new UnitLayout(units.Count, $"layer {i}", UnitKind.Layer, builder.Parameters));
        }

        units.Add(BuildHead(config, names, units.Count));
        Units = units;
    }

    /// <summary>The model's shape.</summary>
    public DecoderConfig Config { get; }

    /// <summary>Units in the order of the forward pass: embedding, layers, head.</summary>
    public IReadOnlyList<UnitLayout> Units { get; }

    /// <summary>Number of parameters; a tied matrix counts once.</summary>
    public long NumParameters => Units.Sum(unit => unit.Count);

    /// <summary>Prefix that checkpoints of the bare model leave out of their names.</summary>
    internal string BasePrefix { get; }

    /// <summary>Matrices of layers are [in, out].</summary>
    internal bool InputMajor { get; }

    /// <summary>Tensors of every layer.</summary>
    internal LayerLayout Layer { get; private set; } = null!;

    /// <summary>[vocabulary, hidden] in the embedding unit.</summary>
    internal TensorSlot TokenEmbedding { get; private set; } = null!;

    /// <summary>[positions, hidden] in the embedding unit; null if the model has none.</summary>
    internal TensorSlot? PositionEmbedding { get; private set; }

    /// <summary>[hidden] in the head unit; null if there is no final norm.</summary>
    internal TensorSlot? FinalNorm { get; private set; }

    /// <summary>[hidden] in the head unit.</summary>
    internal TensorSlot? FinalNormBias { get; private set; }

    /// <summary>[vocabulary, hidden] in the head unit; null if tied.</summary>
    internal TensorSlot? Head { get; private set; }

    /// <summary>Lays a model out.</summary>
    /// <exception cref="UnreadableInputException">The model's family is not supported.</exception>
    public static ModelLayout Create(DecoderConfig config) => new(config);

    private static UnitLayoutBuilder BuildLayer(DecoderConfig config, HubNames names, int index, out LayerLayout layer)
    {
        var builder = new UnitLayoutBuilder($"{names.LayerPrefix}{index}.");
        bool normBias = config.Norm == NormKind.LayerNorm;
        long hidden = config.HiddenSize;
        long querySize = (long)config.NumHeads * config.HeadSize;
        long keySize = (long)config.NumKeyValueHeads * config.HeadSize;
        long mlpSize = config.IntermediateSize;
        long[] qkvSizes = [querySize, keySize, keySize];
        long[] upSizes = config.GatedMlp ? [mlpSize, mlpSize] : [mlpSize];
        bool inputMajor = names.InputMajor;
        // Initialisers run in order: this is the order of the unit's tensors.
        layer = new LayerLayout
        {
            InputNorm = builder.Add(names.InputNorm + ".weight", hidden),
            InputNormBias = builder.AddIf(normBias, names.InputNorm + ".bias", hidden),
            Qkv = builder.AddMatrix(names.Qkv, hidden, qkvSizes, inputMajor),
            QkvBias = builder.AddBiasIf(config.QueryKeyValueBias, names.Qkv, qkvSizes),
            QueryNorm = builder.AddIf(config.QueryKeyNorm, names.QueryNorm + ".weight", config.HeadSize),
            KeyNorm = builder.AddIf(config.QueryKeyNorm, names.KeyNorm + ".weight", config.HeadSize),
            AttentionOut = builder.AddMatrix([names.AttentionOut], querySize, [hidden], inputMajor),
            AttentionOutBias = builder.AddIf(config.AttentionOutputBias, names.AttentionOut + ".bias", hidden),
            MlpNorm = builder.Add(names.MlpNorm + ".weight", hidden),
            MlpNormBias = builder.AddIf(normBias, names.MlpNorm + ".bias", hidden),
            Up = builder.AddMatrix(names.Up, hidden, upSizes, inputMajor),
            UpBias = builder.AddBiasIf(config.MlpBias, names.Up, upSizes),
            Down = builder.AddMatrix([names.Down], mlpSize, [hidden], inputMajor),
            DownBias = builder.AddIf(config.MlpBias, names.Down + ".bias", hidden),
        };
        return builder;
    }

    private UnitLayout BuildEmbedding(DecoderConfig config, HubNames names)
    {
        var builder = new UnitLayoutBuilder();
        TokenEmbedding = builder.Add(names.Embedding + ".weight", config.VocabularySize, config.HiddenSize);
        if (config.LearnedPositionOffset is int offset)
        {
            PositionEmbedding = builder.Add(names.Positions + ".weight", (long)config.MaxPositions + offset, config.HiddenSize);
        }

        return new UnitLayout(0, "embedding", UnitKind.Embedding, builder.Parameters);
    }

    private UnitLayout BuildHead(DecoderConfig config, HubNames names, int index)
    {
        var builder = new UnitLayoutBuilder();
        FinalNorm = builder.AddIf(config.FinalNorm, names.FinalNorm + ".weight", config.HiddenSize);
        FinalNormBias = builder.AddIf(config.FinalNorm && config.Norm == NormKind.LayerNorm, names.FinalNorm + ".bias", config.HiddenSize);
        Head = builder.AddIf(!config.TiedEmbeddings, names.Head + ".weight", config.VocabularySize, config.HiddenSize);
        return new UnitLayout(index, "head", UnitKind.Head, builder.Parameters);
    }
}
