namespace Offload.Engine.Models;

/// <summary>
/// What a decoder-only language model is made of, independent of its family: the meaning of a Hub <c>config.json</c> in its
/// old or new spelling. Sizes are in elements.
/// </summary>
internal sealed record DecoderConfig
{
    /// <summary><c>model_type</c> of the Hub: gpt2, llama, mistral, qwen2, qwen3 or opt.</summary>
    public required string ModelType { get; init; }

    /// <summary>Rows of the embedding.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Number of decoder layers.</summary>
    public required int NumLayers { get; init; }

    /// <summary>Number of query heads.</summary>
    public required int NumHeads { get; init; }

    /// <summary>Number of key and value heads; divides <see cref="NumHeads"/>.</summary>
    public required int NumKeyValueHeads { get; init; }

    /// <summary>Width of one head; not always HiddenSize / NumHeads.</summary>
    public required int HeadSize { get; init; }

    /// <summary>Width of the MLP.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Longest sequence that the model has positions for.</summary>
    public required int MaxPositions { get; init; }

    /// <summary>Kind of all normalisations but the q/k ones, which are RMSNorm.</summary>
    public required NormKind Norm { get; init; }

    /// <summary>Added to the variance or mean square.</summary>
    public required double NormEpsilon { get; init; }

    /// <summary>Activation function of the MLP.</summary>
    public required ActivationKind Activation { get; init; }

    /// <summary>True: down(act(gate(x)) * up(x)); false: down(act(up(x))).</summary>
    public required bool GatedMlp { get; init; }

    /// <summary>Rotary position embedding; null if positions are learned.</summary>
    public RopeConfig? Rope { get; init; }

    /// <summary>Learned positions: row of position 0 (0 for gpt2, 2 for opt); null if there are none.</summary>
    public int? LearnedPositionOffset { get; init; }

    /// <summary>Biases of the q, k and v projections.</summary>
    public required bool QueryKeyValueBias { get; init; }

    /// <summary>Bias of the attention's output projection.</summary>
    public required bool AttentionOutputBias { get; init; }

    /// <summary>Biases of the MLP's projections.</summary>
    public required bool MlpBias { get; init; }

    /// <summary>RMSNorm over each head of q and k before rotation (qwen3).</summary>
    public bool QueryKeyNorm { get; init; }

    /// <summary>A norm between the last layer and the head; false only for old OPT checkpoints.</summary>
    public bool FinalNorm { get; init; } = true;

    /// <summary>The head's matrix is the embedding's.</summary>
    public required bool TiedEmbeddings { get; init; }

    /// <summary>Attention sees this many tokens back; null: all. Sequences longer than it are refused until it is supported.</summary>
    public int? SlidingWindow { get; init; }

    /// <summary>
    /// Row of the embedding that gets no gradient from its use as input (torch's <c>padding_idx</c>, which the Hub's models but gpt2 set
    /// to pad_token_id); a tied head's gradient reaches it all the same. Null: none.
    /// </summary>
    public int? PaddingId { get; init; }

    /// <summary>The largest dropout probability that the config names. Off in training unless asked for; reported.</summary>
    public double Dropout { get; init; }

    /// <summary>Id that begins a text; null if there is none or it is outside the vocabulary.</summary>
    public int? BeginOfTextId { get; init; }

    /// <summary>Ids that end a text, those outside the vocabulary left out; may be empty.</summary>
    public IReadOnlyList<int> EndOfTextIds { get; init; } = [];
}
