using System.Buffers;
using System.Text.Json;

namespace Offload.Storage.States;

/// <summary>The description as it is stored: JSON, with equal lists of parts written once.</summary>
internal static class StoreHeader
{
    /// <summary>Longest header: a hundred thousand units with long names, and nothing that a damaged length could make us allocate.</summary>
    public const int MaxBytes = 16 << 20;

    private static readonly JsonDocumentOptions ParseOptions = new() { AllowDuplicateProperties = false, MaxDepth = 64 };

    /// <exception cref="ArgumentException">It is longer than a header may be, or would be read as another one: by its owner, or by names that are no text.</exception>
    public static byte[] Write(StoreDescription description)
    {
        byte[] header = Serialize(description);
        try
        {
            StoreDescription read = Parse("", header);
            if (!read.Units.Select(unit => unit.Name).SequenceEqual(description.Units.Select(unit => unit.Name))
                || !read.Units.Zip(description.Units).All(pair => pair.First.Parts.SequenceEqual(pair.Second.Parts)))
            {
                throw new ArgumentException("a description of a store: a name of a unit or part is no valid text", nameof(description));
            }
        }
        catch (StoreMismatchException error)
        {
            throw new ArgumentException($"a description of a store that could not be read again: {error.InnerException?.Message ?? error.Message}", nameof(description), error);
        }

        return header;
    }

    private static byte[] Serialize(StoreDescription description)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteNumber("tileParameters", description.TileParameters);
            json.WriteNumber("generations", description.Generations);
            List<IReadOnlyList<StatePart>> layouts = [];
            int[] layoutOfUnit = [.. description.Units.Select(unit => LayoutIndex(layouts, unit.Parts))];
            json.WriteStartArray("layouts");
            foreach (IReadOnlyList<StatePart> parts in layouts)
            {
                json.WriteStartArray();
                foreach (StatePart part in parts)
                {
                    json.WriteStartObject();
                    json.WriteString("name", part.Name);
                    json.WriteString("type", part.Type.Format());
                    json.WriteNumber("parametersPerElement", part.ParametersPerElement);
                    json.WriteBoolean("mutable", part.IsMutable);
                    json.WriteEndObject();
                }

                json.WriteEndArray();
            }

            json.WriteEndArray();
            json.WriteStartArray("units");
            for (int index = 0; index < layoutOfUnit.Length; index++)
            {
                json.WriteStartObject();
                json.WriteString("name", description.Units[index].Name);
                json.WriteNumber("parameters", description.Units[index].NumParameters);
                json.WriteNumber("layout", layoutOfUnit[index]);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WritePropertyName("owner");
            description.Owner.WriteTo(json);
            json.WriteEndObject();
        }

        return buffer.WrittenCount <= MaxBytes
            ? buffer.WrittenSpan.ToArray()
            : throw new ArgumentException($"a description of at most {MaxBytes} bytes was expected, found {buffer.WrittenCount}", nameof(description));
    }

    /// <param name="path">The store, for messages.</param>
    /// <param name="utf8">The whole text.</param>
    /// <exception cref="StoreMismatchException">It is not a description that a store can have.</exception>
    public static StoreDescription Parse(string path, ReadOnlyMemory<byte> utf8)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(utf8, ParseOptions);
            JsonElement root = document.RootElement;
            List<IReadOnlyList<StatePart>> layouts = [];
            foreach (JsonElement layout in root.GetProperty("layouts").EnumerateArray())
            {
                layouts.Add([.. layout.EnumerateArray().Select(ParsePart)]);
            }

            var units = new List<StateUnit>();
            foreach (JsonElement unit in root.GetProperty("units").EnumerateArray())
            {
                int layout = unit.GetProperty("layout").GetInt32();
                units.Add(layout >= 0 && layout < layouts.Count
                    ? new StateUnit(unit.GetProperty("name").GetString() ?? "", unit.GetProperty("parameters").GetInt64(), layouts[layout])
                    : throw new FormatException($"layout {layout} of {layouts.Count}"));
            }

            var description = new StoreDescription
            {
                Units = units,
                TileParameters = root.GetProperty("tileParameters").GetInt64(),
                Generations = root.GetProperty("generations").GetInt32(),
                Owner = root.GetProperty("owner").Clone(),
            };
            return description.FindProblem() is { } problem ? throw Malformed(path, problem, cause: null) : description;
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or FormatException or KeyNotFoundException)
        {
            // What the reader throws for: no JSON; a value of another kind, or a lone surrogate; a number out of range; a name that is missing.
            throw Malformed(path, DisplayText.Quote(error.Message), error);
        }
    }

    private static StatePart ParsePart(JsonElement part)
    {
        string? type = part.GetProperty("type").GetString();
        return new StatePart(
            part.GetProperty("name").GetString() ?? "",
            ElementTypes.TryParse(type, out ElementType parsed) ? parsed : throw new FormatException($"element type {DisplayText.Quote(type ?? "")}"),
            part.GetProperty("parametersPerElement").GetInt32(),
            part.GetProperty("mutable").GetBoolean());
    }

    private static int LayoutIndex(List<IReadOnlyList<StatePart>> layouts, IReadOnlyList<StatePart> parts)
    {
        int index = layouts.FindIndex(layout => layout.SequenceEqual(parts));
        if (index < 0)
        {
            index = layouts.Count;
            layouts.Add(parts);
        }

        return index;
    }

    private static StoreMismatchException Malformed(string path, string problem, Exception? cause) =>
        new(path, $"the store's description is not one that this version writes: {problem}", hint: null, cause);
}
