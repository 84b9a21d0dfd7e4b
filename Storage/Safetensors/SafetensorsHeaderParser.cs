namespace Offload.Storage.Safetensors;

/// <summary>Parses and validates the JSON of a header as strictly as the reference reader, and stricter about duplicates.</summary>
internal static class SafetensorsHeaderParser
{
    // The object, a tensor's object, an array.
    private const int MaxDepth = 3;

    /// <param name="path">The file, for messages.</param>
    /// <param name="json">The header without its length.</param>
    /// <param name="fileSizeBytes">Size of the whole file.</param>
    /// <exception cref="UnreadableInputException">Anything that the format does not allow.</exception>
    internal static SafetensorsHeader Parse(string path, ReadOnlySpan<byte> json, long fileSizeBytes)
    {
        if (json.IsEmpty || json[0] != (byte)'{')
        {
            throw new UnreadableInputException(
                path, $"expected a header that begins with '{{', found {(json.IsEmpty ? "an empty one" : $"byte 0x{json[0]:x2}")}");
        }

        long dataOffsetBytes = SafetensorsHeader.LengthSizeBytes + json.Length;
        var entries = new List<Entry>();
        var names = new HashSet<string>();
        Dictionary<string, string>? metadata = null;
        var reader = new StrictJson($"{path}: header", json, MaxDepth);
        reader.BeginObject("header");
        while (reader.NextKey() is { } name)
        {
            if (!names.Add(name))
            {
                throw new UnreadableInputException($"{path}: header", $"the key {DisplayText.Quote(name)} occurs twice");
            }

            if (name == SafetensorsHeader.MetadataKey)
            {
                metadata = ParseMetadata(path, ref reader);
            }
            else
            {
                entries.Add(ParseTensor(path, name, ref reader));
            }
        }

        reader.End();
        entries.Sort(static (a, b) => a.Begin != b.Begin ? a.Begin.CompareTo(b.Begin) : a.End.CompareTo(b.End));
        CheckCoverage(path, entries, fileSizeBytes - dataOffsetBytes);

        var tensors = new OrderedDictionary<string, TensorInfo>(entries.Count);
        foreach (Entry entry in entries)
        {
            tensors.Add(entry.Spec.Name, new TensorInfo(entry.Spec, dataOffsetBytes + entry.Begin));
        }

        return new SafetensorsHeader(tensors, metadata ?? [], dataOffsetBytes);
    }

    private static Dictionary<string, string> ParseMetadata(string path, ref StrictJson reader)
    {
        var metadata = new Dictionary<string, string>();
        reader.BeginObject(SafetensorsHeader.MetadataKey);
        while (reader.NextKey() is { } key)
        {
            string what = $"{SafetensorsHeader.MetadataKey}, key {DisplayText.Quote(key)}";
            if (!metadata.TryAdd(key, reader.ReadString(what)))
            {
                throw new UnreadableInputException($"{path}: header", $"{what}: occurs twice");
            }
        }

        return metadata;
    }

    private static Entry ParseTensor(string path, string name, ref StrictJson reader)
    {
        string what = $"tensor {DisplayText.Quote(name)}";
        string? typeName = null;
        Span<long> shape = stackalloc long[TensorSpec.MaxRank];
        int rank = -1;
        Span<long> offsets = stackalloc long[2];
        int numOffsets = -1;
        reader.BeginObject(what);
        while (reader.NextKey() is { } field)
        {
            bool isRepeated;
            switch (field)
            {
                case "dtype":
                    isRepeated = typeName is not null;
                    typeName = reader.ReadString($"{what}, dtype");
                    break;
                case "shape":
                    isRepeated = rank >= 0;
                    rank = reader.ReadIntegers($"{what}, shape", shape);
                    break;
                case "data_offsets":
                    isRepeated = numOffsets >= 0;
                    numOffsets = reader.ReadIntegers($"{what}, data_offsets", offsets);
                    break;
                default:
                    throw Refuse(path, what, $"expected the fields dtype, shape and data_offsets, found {DisplayText.Quote(field)}");
            }

            if (isRepeated)
            {
                throw Refuse(path, what, $"the field {field} occurs twice");
            }
        }

        if (typeName is null || rank < 0 || numOffsets < 0)
        {
            string missing = typeName is null ? "dtype" : rank < 0 ? "shape" : "data_offsets";
            throw Refuse(path, what, $"expected the fields dtype, shape and data_offsets, {missing} is missing");
        }

        if (rank > TensorSpec.MaxRank)
        {
            throw Refuse(path, what, $"expected at most {TensorSpec.MaxRank} dimensions, found {rank}");
        }

        if (numOffsets != 2)
        {
            throw Refuse(path, what, $"expected two data_offsets, found {numOffsets}");
        }

        ReadOnlySpan<long> dimensions = shape[..rank];
        ElementType type = ParseType(path, what, typeName);
        if (TensorSpec.FindProblem(type, dimensions, out _) is { } problem)
        {
            throw Refuse(path, what, problem);
        }

        var spec = new TensorSpec(name, type, dimensions);
        if (offsets[1] < offsets[0] || offsets[1] - offsets[0] != spec.SizeBytes)
        {
            throw Refuse(
                path, what, $"expected data_offsets that are {spec.SizeBytes} bytes apart for {spec}, found [{offsets[0]}, {offsets[1]}]");
        }

        return new Entry(spec, offsets[0]);
    }

    private static ElementType ParseType(string path, string what, string typeName)
    {
        if (ElementTypes.TryParse(typeName, out ElementType type))
        {
            return type;
        }

        string supported = string.Join(", ", Enum.GetValues<ElementType>().Select(candidate => candidate.Format()));
        string kind = ElementTypes.IsKnownButUnsupported(typeName) ? "which is not supported" : "which is not a type of the format";
        throw new UnreadableInputException(
            $"{path}: {what}",
            $"expected a dtype of {supported}, found {DisplayText.Quote(typeName)}, {kind}",
            "Use the model's bf16 or fp16 version.");
    }

    private static void CheckCoverage(string path, List<Entry> entries, long dataSizeBytes)
    {
        long coveredBytes = 0;
        string before = "the start of the data";
        foreach (Entry entry in entries)
        {
            string what = $"tensor {DisplayText.Quote(entry.Spec.Name)}";
            if (entry.Begin != coveredBytes)
            {
                throw Refuse(
                    path, what, $"{(entry.Begin < coveredBytes ? "overlaps with" : "leaves a gap after")} {before}: expected data from byte {coveredBytes}, found {entry.Begin}");
            }

            coveredBytes = entry.End;
            before = what;
            if (coveredBytes > dataSizeBytes)
            {
                throw new UnreadableInputException(
                    $"{path}: {what}",
                    $"expected data up to byte {coveredBytes}, found {dataSizeBytes} bytes of data: the file is truncated",
                    "Download it again: the download or copy was not complete.");
            }
        }

        if (coveredBytes != dataSizeBytes)
        {
            throw new UnreadableInputException(
                path, $"expected {coveredBytes} bytes of data, found {dataSizeBytes}: {dataSizeBytes - coveredBytes} bytes belong to no tensor");
        }
    }

    private static UnreadableInputException Refuse(string path, string what, string problem) => new($"{path}: {what}", problem);

    private readonly record struct Entry(TensorSpec Spec, long Begin)
    {
        internal long End => Begin + Spec.SizeBytes;
    }
}
