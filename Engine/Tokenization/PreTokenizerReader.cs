namespace Offload.Engine.Tokenization;

/// <summary>Reads the pre_tokenizer of a byte-level tokenizer.json.</summary>
internal sealed class PreTokenizerReader
{
    /// <summary>What ByteLevel splits by unless told not to (GPT-2's encoder.py).</summary>
    public const string Gpt2Pattern = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    // Real tokenizers have up to five; each step is one more level of recursion and one more pass over the text.
    private const int MaxSteps = 16;

    // Patterns that always cut after a line break that stands between two characters that are no white space, and whose pieces before
    // and after do not depend on what lies beyond the cut: no look-behind, and no piece goes on past a line break but with \r or \n.
    private static readonly HashSet<string> LineSafePatterns =
    [
        Gpt2Pattern,
        // Llama 3
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        // Qwen 2 and 3
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        // Qwen 3.5
        @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        // cl100k
        @"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
    ];

    private readonly List<SplitRegex?> _steps = [];
    private bool _byteLevel;
    private bool _hasLineSafe;
    private bool _hasOther;

    private PreTokenizerReader()
    {
    }

    /// <summary>See <see cref="ByteLevelSpec.Steps"/>.</summary>
    public IReadOnlyList<SplitRegex?> Steps => _steps;

    /// <summary>The pieces of a text cut after a line break between two characters that are no white space are those of its halves.</summary>
    public bool LineSafe => _hasLineSafe && !_hasOther;

    /// <exception cref="Storage.UnreadableInputException">A part is malformed or not supported.</exception>
    public static PreTokenizerReader Read(JsonPart part)
    {
        var reader = new PreTokenizerReader();
        reader.Add(part);
        return reader._byteLevel ? reader : throw part.Error("has no ByteLevel; only byte-level tokenizers are supported");
    }

    private void Add(JsonPart part)
    {
        if (_byteLevel)
        {
            throw part.Error("a part after ByteLevel is not supported");
        }

        if (_steps.Count >= MaxSteps)
        {
            throw part.Error($"more than {MaxSteps} steps are not supported");
        }

        ByteLevelReader.RequireType(part, "ByteLevel", "Split", "Digits", "Sequence");
        switch (part.Text("type"))
        {
            case "Sequence":
                foreach (JsonPart item in part.Required("pretokenizers").Items())
                {
                    Add(item);
                }

                break;
            case "Split":
                AddSplit(part);
                break;
            case "Digits":
                // Rust's char::is_numeric is the general category N.
                bool individual = part.Required("individual_digits").Flag();
                _steps.Add(new SplitRegex(individual ? @"\p{N}" : @"\p{N}+", part.Where));
                break;
            default:
                if (part.Required("add_prefix_space").Flag())
                {
                    _steps.Add(null);
                    _hasOther = true;
                }

                if (part.Flag("use_regex", whenMissing: true))
                {
                    _steps.Add(new SplitRegex(Gpt2Pattern, part.Where));
                    _hasLineSafe = true;
                }

                _byteLevel = true;
                break;
        }
    }

    private void AddSplit(JsonPart part)
    {
        JsonPart pattern = part.Required("pattern").Optional("Regex") ?? throw part.Required("pattern").Error("only a Regex is supported");
        JsonPart behavior = part.Required("behavior");
        if (behavior.Text() != "Isolated")
        {
            throw behavior.Error($"'{behavior.Text()}' is not supported; supported here: Isolated");
        }

        if (part.Flag("invert", whenMissing: false))
        {
            throw part.Required("invert").Error("true is not supported");
        }

        try
        {
            _steps.Add(new SplitRegex(pattern.Text(), pattern.Where));
        }
        catch (FormatException error)
        {
            throw pattern.Error(error.Message);
        }

        bool lineSafe = LineSafePatterns.Contains(pattern.Text());
        _hasLineSafe |= lineSafe;
        _hasOther |= !lineSafe;
    }
}
