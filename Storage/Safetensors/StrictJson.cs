using System.Text.Json;
using System.Text.Unicode;

namespace Offload.Storage.Safetensors;

/// <summary>
/// Reads JSON token by token and refuses what a lenient reader lets pass: duplicate keys, text that is not UTF-8, lone
/// surrogates, values of another kind than expected. Every refusal is an <see cref="UnreadableInputException"/>.
/// </summary>
internal ref struct StrictJson
{
    private readonly string _where;
    private Utf8JsonReader _reader;

    /// <param name="where">The file, for messages.</param>
    /// <param name="json">The whole text.</param>
    /// <param name="maxDepth">Deepest nesting of objects and arrays.</param>
    internal StrictJson(string where, ReadOnlySpan<byte> json, int maxDepth)
    {
        _where = where;
        if (!Utf8.IsValid(json))
        {
            throw new UnreadableInputException(where, "expected JSON in UTF-8, found bytes that are not UTF-8");
        }

        _reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = maxDepth });
    }

    /// <summary>Consumes the opening of an object.</summary>
    internal void BeginObject(string what)
    {
        Advance();
        Expect(JsonTokenType.StartObject, what, "an object");
    }

    /// <summary>Consumes the next key, or the end of the object.</summary>
    /// <returns>Null at the end.</returns>
    internal string? NextKey()
    {
        Advance();
        return _reader.TokenType == JsonTokenType.EndObject ? null : Text();
    }

    /// <summary>Consumes a string.</summary>
    internal string ReadString(string what)
    {
        Advance();
        Expect(JsonTokenType.String, what, "a string");
        return Text();
    }

    /// <summary>Consumes an array of integers from 0 to 2^63 - 1.</summary>
    /// <returns>How many there are; a longer array than <paramref name="values"/> is read to its end, the rest is dropped.</returns>
    internal int ReadIntegers(string what, scoped Span<long> values)
    {
        Advance();
        Expect(JsonTokenType.StartArray, what, "an array");
        int count = 0;
        while (true)
        {
            Advance();
            if (_reader.TokenType == JsonTokenType.EndArray)
            {
                return count;
            }

            Expect(JsonTokenType.Number, what, "integers of at least 0");
            if (!_reader.TryGetUInt64(out ulong value) || value > long.MaxValue)
            {
                throw Malformed(what, "integers from 0 to 2^63 - 1", DisplayText.Quote(RawText()));
            }

            if (count < values.Length)
            {
                values[count] = (long)value;
            }

            count++;
        }
    }

    /// <summary>Consumes a value of any kind.</summary>
    internal void SkipValue()
    {
        Advance();
        try
        {
            _reader.Skip();
        }
        catch (JsonException error)
        {
            throw NotJson(error);
        }
    }

    /// <summary>Consumes the end of the text: nothing but white space may follow.</summary>
    internal void End()
    {
        try
        {
            if (_reader.Read())
            {
                throw new UnreadableInputException(_where, "expected one JSON object, found more text after it");
            }
        }
        catch (JsonException error)
        {
            throw NotJson(error);
        }
    }

    private void Advance()
    {
        try
        {
            _reader.Read(); // Throws at an early end of the text.
        }
        catch (JsonException error)
        {
            throw NotJson(error);
        }
    }

    private readonly void Expect(JsonTokenType type, string what, string expected)
    {
        if (_reader.TokenType != type)
        {
            throw Malformed(what, expected, _reader.TokenType.ToString());
        }
    }

    private readonly string Text()
    {
        try
        {
            return _reader.GetString()!;
        }
        catch (InvalidOperationException error)
        {
            // What Utf8JsonReader throws for an escaped lone surrogate.
            throw new UnreadableInputException(
                _where, $"expected Unicode text, found {DisplayText.Quote(RawText())}", hint: null, error);
        }
    }

    private readonly string RawText() => System.Text.Encoding.UTF8.GetString(_reader.ValueSpan);

    private readonly UnreadableInputException Malformed(string what, string expected, string found) =>
        new(_where, $"{what}: expected {expected}, found {found}");

    private readonly UnreadableInputException NotJson(JsonException error) =>
        new(_where, $"expected JSON, found a syntax error at byte {_reader.BytesConsumed}", hint: null, error);
}
