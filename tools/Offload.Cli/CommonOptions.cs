using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;

namespace Offload.Cli;

/// <summary>
/// Options that several commands share: one spelling, one meaning, one reading. A command adds those that it has. Null means
/// "not given" wherever the engine or the stored run then decides.
/// </summary>
internal static class CommonOptions
{
    /// <summary>Global: where libtorch is.</summary>
    internal static Option<string?> Libtorch { get; } = new("--libtorch")
    {
        Description = "Folder of libtorch's libraries, such as site-packages/torch/lib; the default is OFFLOAD_LIBTORCH, then the one that comes along",
        HelpName = "DIR",
        Recursive = true,
    };

    /// <summary>Global: machine-readable results.</summary>
    internal static Option<bool> Json { get; } = new("--json") { Description = "Results as JSON on stdout, one object a line, the result last; messages go to stderr", Recursive = true };

    /// <summary>Global: details of errors.</summary>
    internal static Option<bool> Verbose { get; } = new("--verbose") { Description = "Details, and the full text of errors (also OFFLOAD_VERBOSE=1)", Recursive = true };

    internal static Option<string?> Model { get; } = Text("--model", "DIR", "Model folder as the Hugging Face Hub has it: config.json, *.safetensors, tokenizer.json");

    internal static Option<string[]> Data { get; } = new("--data")
    {
        Description = "Training data: .txt, or .jsonl with a field 'text'; repeat it for several files",
        HelpName = "FILE",
        DefaultValueFactory = _ => [],
    };

    internal static Option<string?> Output { get; } = Text("--output", "DIR", "Folder for results; made if missing");

    internal static Option<string[]> Nvme { get; } = new("--nvme") { Description = "Folder on an NVMe drive for model states; repeat it to stripe over drives; made if missing", HelpName = "DIR", DefaultValueFactory = _ => [] };

    internal static Option<long?> Steps { get; } = Count("--steps", "N", "Optimizer steps");

    internal static Option<long?> SeqLen { get; } = Count("--seq-len", "TOKENS", "Tokens in a sequence");

    internal static Option<long?> MicroBatch { get; } = Count("--micro-batch", "SEQUENCES", "Sequences that pass through the model together");

    internal static Option<long?> TokensPerStep { get; } = Count("--tokens-per-step", "TOKENS", "Tokens in an optimizer step");

    internal static Option<double?> Lr { get; } = Number("--lr", "Peak learning rate");

    internal static Option<double?> MaxGradNorm { get; } = Number("--max-grad-norm", "Clip gradients to this global norm; 0 turns clipping off");

    internal static Option<long?> Seed { get; } = Count("--seed", "N", "Seed of everything random", least: 0);

    internal static Option<string?> Dtype { get; } = OneOf("--dtype", "Type of the compute", "float32", "bfloat16");

    internal static Option<DeviceChoice?> Device { get; } = new("--device")
    {
        Description = "Where the model computes; only cpu works today",
        HelpName = "cpu",
        CustomParser = result => Read<DeviceChoice?>(result, DeviceChoice.TryParse(result.Tokens[0].Value, out DeviceChoice? device), device, "cpu, cuda or cuda:N"),
    };

    internal static Option<long?> CpuMemory { get; } = Size("--cpu-memory", "Hard ceiling on CPU memory, such as 64GiB");

    internal static Option<long?> GpuMemory { get; } = Size("--gpu-memory", "Hard ceiling on GPU memory, such as 24GiB");

    internal static Option<long?> Threads { get; } = Count("--threads", "N", "Threads of the CPU's compute; the default is the number of cores");

    internal static Option<bool> Deterministic { get; } = new("--deterministic")
    {
        Description = "On a GPU: kernels that add up in one order alone, so that equal runs agree bit for bit; somewhat slower. The CPU's always do",
    };

    internal static Option<long?> UpdateThreads { get; } = Count("--update-threads", "N", "Threads of the optimizer; the default is --threads; without effect on the result");

    internal static Option<bool> Resume { get; } = new("--resume") { Description = "Continue the run in --output; starts anew if nothing was committed" };

    internal static Option<string?> Text(string name, string helpName, string description) => new(name) { Description = description, HelpName = helpName };

    internal static Option<string?> OneOf(string name, string description, params string[] words) => new(name)
    {
        Description = description,
        HelpName = string.Join('|', words),
        CustomParser = result => Read(result, words.Contains(result.Tokens[0].Value), result.Tokens[0].Value, $"{string.Join(", ", words[..^1])} or {words[^1]}"),
    };

    internal static Option<long?> Count(string name, string helpName, string description, long least = 1) => new(name)
    {
        Description = description,
        HelpName = helpName,
        CustomParser = result => Read<long?>(
            result,
            long.TryParse(result.Tokens[0].Value, NumberStyles.None, CultureInfo.InvariantCulture, out long value) && value >= least,
            value,
            $"a whole number of at least {least}"),
    };

    internal static Option<double?> Number(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "X",
        CustomParser = result => Read<double?>(
            result,
            double.TryParse(result.Tokens[0].Value, NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out double value) && double.IsFinite(value),
            value,
            "a number of at least 0"),
    };

    internal static Option<long?> Size(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "SIZE",
        CustomParser = result => Read<long?>(result, Sizes.TryParse(result.Tokens[0].Value, out long value), value, "a size such as 12GiB or 64MiB"),
    };

    private static T? Read<T>(ArgumentResult result, bool valid, T? value, string expected)
    {
        if (valid)
        {
            return value;
        }

        result.AddError($"{(result.Parent as OptionResult)?.Option.Name}: expected {expected}, found '{result.Tokens[0].Value}'");
        return default;
    }
}
