using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using Offload.Engine.Training;
using Offload.Profiles;
using Offload.Storage;
using Offload.Storage.Safetensors;
using Offload.Storage.States;

namespace Offload.Cli.Commands;

/// <summary><c>offload inspect PATH</c>: what is in a model folder, a safetensors file, a run or a state store. Reads headers only, unless asked to verify.</summary>
internal static class InspectCommand
{
    private static readonly Argument<string[]> PathArgument = new("path")
    {
        Description = "Model folder as the Hugging Face Hub has it, a .safetensors file, the folder of a run, or a state store: its folder, or all of them",
        HelpName = "PATH",
        Arity = ArgumentArity.OneOrMore,
    };

    private static readonly Option<bool> Verify = new("--verify") { Description = "Of a state store, or a run's: read every byte of the last commit and compare it with its checksum; exit code 4 if something is damaged" };

    private static readonly Option<bool> Repair = new("--repair") { Description = "Also mend what can be: where the last commit is damaged, go back to the one before if that is whole" };

    // What decides size and kind of a model, in the old (gpt2) and the new spelling of the Hub's config.json.
    private static readonly string[] ConfigFields =
    [
        "model_type", "architectures", "vocab_size", "hidden_size", "n_embd", "num_hidden_layers", "n_layer", "num_attention_heads", "n_head",
        "num_key_value_heads", "head_dim", "intermediate_size", "ffn_dim", "n_inner", "max_position_embeddings", "n_positions", "sliding_window",
        "hidden_act", "activation_function", "rope_theta", "rope_scaling", "num_local_experts", "num_experts_per_tok", "tie_word_embeddings",
        "torch_dtype", "dtype", "transformers_version",
    ];

    // A config is a few KiB.
    private const long MaxConfigBytes = 16L << 20;

    internal static Command Create()
    {
        var command = new Command("inspect", "Show what is in a model folder or a safetensors file (configuration, sizes by type, tensors), how a run stands, or what a state store holds");
        command.Add(PathArgument);
        command.Add(CommonOptions.Nvme);
        command.Add(Verify);
        command.Add(Repair);
        command.SetWork(Run);
        return command;
    }

    private static ExitCode Run(CommandContext context)
    {
        string[] paths = context.Get(PathArgument)!;
        bool repairs = context.Get(Repair);
        bool verifies = context.Get(Verify) || repairs;
        string path = paths[0];
        bool isRun = paths.Length == 1 && RunSummary.IsRun(path);
        string[] nvmeFolders = context.Get(CommonOptions.Nvme)!;
        if (nvmeFolders.Length > 0 && !isRun)
        {
            throw new UsageException($"--nvme: expected the folder of a run with it, found no run.json in {path}", "a state store itself is named by its folders alone");
        }

        RunSummary? summary = isRun ? RunSummary.Read(path, nvmeFolders) : null;
        string[] folders = summary is not null ? [.. summary.StoreFolders] : [.. paths.Select(StoreInspection.FolderOf)];
        if ((!isRun || verifies) && StoreFiles.StateOf(folders) != StoreFilesState.None)
        {
            return StoreInspection.Run(context, folders, verifies, repairs, isRun ? path : null);
        }

        if (verifies || paths.Length > 1)
        {
            throw new UsageException(
                $"{(isRun ? folders[0] : path)}: expected a state store, found no file {StoreFiles.FileName}",
                verifies ? "--verify and --repair are for state stores: name the folder of one" : "name one path, or all folders of a state store");
        }

        if (summary is not null)
        {
            RunReport.Write(context, summary);
            return ExitCode.Done;
        }

        Report report = Inspect(path);
        if (context.Json)
        {
            context.WriteJson(report);
        }
        else
        {
            Write(context.Output, report);
        }

        return ExitCode.Done;
    }

    private static Report Inspect(string path)
    {
        bool isFolder = Directory.Exists(path);
        using SafetensorsCheckpoint checkpoint = SafetensorsCheckpoint.Open(path);
        TensorInfo[] tensors = [.. checkpoint.Tensors.Values];
        return new Report(
            path,
            isFolder ? "model" : "safetensors",
            isFolder ? ReadConfig(Path.Combine(path, "config.json")) : null,
            isFolder ? null : ReadMetadata(path),
            checkpoint.Files.Count,
            tensors.Sum(tensor => tensor.ElementCount),
            tensors.Sum(tensor => tensor.SizeBytes),
            [.. tensors.GroupBy(tensor => tensor.Type).OrderByDescending(group => group.Sum(tensor => tensor.SizeBytes))
                .Select(group => new TypeTotal(group.Key.Format(), group.Count(), group.Sum(tensor => tensor.ElementCount), group.Sum(tensor => tensor.SizeBytes)))],
            [.. tensors.Select(tensor => new Tensor(tensor.Name, tensor.Type.Format(), [.. tensor.Shape], tensor.SizeBytes))]);
    }

    private static IReadOnlyDictionary<string, string> ReadMetadata(string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        return file.Header.Metadata;
    }

    private static OrderedDictionary<string, JsonElement>? ReadConfig(string path)
    {
        if (!File.Exists(path))
        {
            return null;
        }

        try
        {
            long sizeBytes = new FileInfo(path).Length;
            if (sizeBytes > MaxConfigBytes)
            {
                throw new UnreadableInputException(path, $"{sizeBytes} bytes are too many for a model's config (at most {MaxConfigBytes})", "fetch the model's config.json again");
            }

            ReadOnlyMemory<byte> json = File.ReadAllBytes(path);
            using JsonDocument document = JsonDocument.Parse(json.Span.StartsWith("\uFEFF"u8) ? json[3..] : json);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new UnreadableInputException(path, $"expected a JSON object, found {document.RootElement.ValueKind}");
            }

            var fields = new OrderedDictionary<string, JsonElement>();
            foreach (string name in ConfigFields)
            {
                if (document.RootElement.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null)
                {
                    RequireText(value);
                    fields.Add(name, value.Clone());
                }
            }

            return fields;
        }
        catch (JsonException error)
        {
            throw new UnreadableInputException(path, $"expected JSON: {error.Message}", "fetch the model's config.json again", error);
        }
        catch (InvalidOperationException error)
        {
            throw new UnreadableInputException(path, "expected Unicode text, found an escaped half of a surrogate pair", "fetch the model's config.json again", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UnreadableInputException(path, $"cannot be read: {error.Message}", cause: error);
        }
    }

    // JSON may escape what is no Unicode text; the reader throws InvalidOperationException where it is asked for it.
    private static void RequireText(JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.String:
                _ = value.GetString();
                break;
            case JsonValueKind.Array:
                foreach (JsonElement item in value.EnumerateArray())
                {
                    RequireText(item);
                }

                break;
            case JsonValueKind.Object:
                foreach (JsonProperty property in value.EnumerateObject())
                {
                    _ = property.Name;
                    RequireText(property.Value);
                }

                break;
        }
    }

    private static void Write(TextWriter output, Report report)
    {
        output.WriteLine($"{report.Path}: {Count(report.Tensors.Count, "tensor")} in {Count(report.Files, "file")}");
        WriteFields(output, report.Config?.Select(field => (field.Key, Value(field.Value))));
        WriteFields(output, report.Metadata?.Select(field => (field.Key, field.Value)));
        output.WriteLine();
        output.WriteLine($"{"type",-6} {"tensors",8} {"parameters",16} {"bytes",18}");
        foreach (TypeTotal total in report.Types)
        {
            WriteTotal(output, total.Type, total.Tensors, total.Parameters, total.Bytes);
        }

        WriteTotal(output, "all", report.Tensors.Count, report.Parameters, report.Bytes);
        output.WriteLine();
        int width = report.Tensors.Select(tensor => tensor.Name.Length).DefaultIfEmpty(0).Max();
        foreach (Tensor tensor in report.Tensors)
        {
            output.WriteLine($"{Printable(tensor.Name).PadRight(width)}  {tensor.Type,-4} {$"[{string.Join(", ", tensor.Shape)}]",-20} {Sizes.Format(tensor.Bytes),12}");
        }
    }

    private static void WriteFields(TextWriter output, IEnumerable<(string Name, string Value)>? fields)
    {
        foreach ((string name, string value) in fields ?? [])
        {
            output.WriteLine($"  {Printable(name)}: {Printable(value)}");
        }
    }

    private static void WriteTotal(TextWriter output, string type, int numTensors, long numParameters, long sizeBytes) => output.WriteLine(
        string.Create(CultureInfo.InvariantCulture, $"{type,-6} {numTensors,8:N0} {numParameters,16:N0} {sizeBytes,18:N0}  {Sizes.Format(sizeBytes)}"));

    internal static string Count(long number, string what) => string.Create(CultureInfo.InvariantCulture, $"{number:N0} {what}{(number == 1 ? "" : "s")}");

    private static string Value(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString()!,
        JsonValueKind.Array => string.Join(", ", value.EnumerateArray().Select(Value)),
        _ => value.GetRawText(),
    };

    // The names are the file's: control characters would steer the terminal.
    internal static string Printable(string text) => string.Create(text.Length, text, (span, source) =>
    {
        for (int i = 0; i < span.Length; i++)
        {
            span[i] = char.IsControl(source[i]) ? '?' : source[i];
        }
    });

    private sealed record Report(
        string Path,
        string Kind,
        OrderedDictionary<string, JsonElement>? Config,
        IReadOnlyDictionary<string, string>? Metadata,
        int Files,
        long Parameters,
        long Bytes,
        IReadOnlyList<TypeTotal> Types,
        IReadOnlyList<Tensor> Tensors);

    private sealed record TypeTotal(string Type, int Tensors, long Parameters, long Bytes);

    private sealed record Tensor(string Name, string Type, IReadOnlyList<long> Shape, long Bytes);
}
