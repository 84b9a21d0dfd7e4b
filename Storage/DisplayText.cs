using System.Text;

namespace Offload.Storage;

/// <summary>Text from files, made fit for a one-line message.</summary>
internal static class DisplayText
{
    private const int MaxLength = 160;

    /// <summary>Quotes a name; control characters are escaped and a long one is cut.</summary>
    internal static string Quote(string text)
    {
        var quoted = new StringBuilder("'");
        foreach (char character in text.Length > MaxLength ? text.AsSpan(0, MaxLength) : text)
        {
            if (char.IsControl(character) || char.IsSurrogate(character) || character is '\u2028' or '\u2029')
            {
                quoted.Append($"\\u{(int)character:x4}");
            }
            else
            {
                quoted.Append(character);
            }
        }

        return quoted.Append(text.Length > MaxLength ? $"...' ({text.Length} characters)" : "'").ToString();
    }
}
