namespace Offload.Engine.Tokenization;

/// <summary>Reads the post_processor of a tokenizer.json: the tokens it puts around a text.</summary>
internal static class PostProcessorReader
{
    /// <summary>The one token put before a single text and the one put after it; null where there is none.</summary>
    /// <exception cref="Storage.UnreadableInputException">A part is malformed, adds more than that, or is not supported.</exception>
    public static (int? Begin, int? End) Read(JsonPart? part, Func<string, int?> idOf)
    {
        if (part is not { } processor)
        {
            return (null, null);
        }

        ByteLevelReader.RequireType(processor, "ByteLevel", "TemplateProcessing", "Sequence");
        switch (processor.Text("type"))
        {
            case "ByteLevel":
                return (null, null); // only offsets, which nobody asks for here
            case "TemplateProcessing":
                return ReadTemplate(processor, idOf);
        }

        (int? Begin, int? End) result = (null, null);
        foreach (JsonPart item in processor.Required("processors").Items())
        {
            (int? begin, int? end) = Read(item, idOf);
            if ((begin ?? end) is not null && (result.Begin ?? result.End) is not null)
            {
                throw item.Error("a second template is not supported");
            }

            result = (begin ?? result.Begin, end ?? result.End);
        }

        return result;
    }

    private static (int? Begin, int? End) ReadTemplate(JsonPart template, Func<string, int?> idOf)
    {
        int? begin = null;
        int? end = null;
        bool textSeen = false;
        foreach (JsonPart item in template.Required("single").Items())
        {
            if (item.Optional("Sequence") is not null)
            {
                textSeen = !textSeen ? true : throw item.Error("the text twice is not supported");
                continue;
            }

            int id = ReadSpecial(template, item.Required("SpecialToken"), idOf);
            ref int? side = ref textSeen ? ref end : ref begin;
            side = side is null ? id : throw item.Error("more than one token on a side of the text is not supported");
        }

        return textSeen ? (begin, end) : throw template.Required("single").Error("the text is not in the template");
    }

    private static int ReadSpecial(JsonPart template, JsonPart special, Func<string, int?> idOf)
    {
        string name = special.Text("id");
        JsonPart ids = template.Required("special_tokens").Required(name).Required("ids");
        int[] values = [.. ids.Items().Select(id => id.Integer())];
        if (values.Length != 1 || values[0] != idOf(name))
        {
            throw ids.Error($"expected the id of '{name}' in the vocabulary ({idOf(name)?.ToString() ?? "it has none"}), found [{string.Join(", ", values)}]");
        }

        return values[0];
    }
}
