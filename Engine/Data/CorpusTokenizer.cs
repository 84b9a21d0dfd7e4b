using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Offload.Engine.Tokenization;
using Offload.Storage;

namespace Offload.Engine.Data;

/// <summary>
/// Turns data files into a <see cref="TokenStore"/> in bounded memory: a .txt file is one document, a .jsonl file has one on each line in
/// its field <c>text</c>. A document becomes its ids between the tokenizer's begin and end of text, where it has them. Documents are
/// encoded on all cores and written in order, so the result does not depend on their number.
/// </summary>
internal static class CorpusTokenizer
{
    // Text encoded at a time, for each core: enough to keep it busy, little enough to forget about.
    private const int CharsPerCore = 2 << 20;
    private const int MaxPieces = 1 << 16;

    /// <summary>Tokenises the files, in order, into one token file.</summary>
    /// <param name="paths">At least one .txt or .jsonl file.</param>
    /// <param name="tokenizer">The model's tokenizer.</param>
    /// <param name="modelVocabularySize">Rows of the model's embedding; ids must be below it.</param>
    /// <param name="tokenFilePath">The file to make; a file of that name is replaced. The caller deletes it.</param>
    /// <param name="progress">Told after every few MiB of text, on the calling flow; may be null.</param>
    /// <param name="cancellationToken">Stops within a few MiB of text and leaves no file.</param>
    /// <returns>The open token file, owned by the caller.</returns>
    /// <exception cref="UnreadableInputException">A file is missing, malformed or without documents, or an id is outside the vocabulary.</exception>
    /// <exception cref="StorageException">The token file cannot be written.</exception>
    public static async Task<TokenStore> TokenizeAsync(
        IReadOnlyList<string> paths,
        ITokenizer tokenizer,
        int modelVocabularySize,
        string tokenFilePath,
        IProgress<TokenizingProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfZero(paths.Count);
        long totalBytes = paths.Sum(DataFile.Check);
        using (var writer = new TokenStoreWriter(tokenFilePath))
        {
            int maxChars = CharsPerCore * Environment.ProcessorCount;
            var pieces = new List<TextPiece>();
            long numChars = 0;
            long bytesRead = 0;
            foreach (string path in paths)
            {
                await foreach (TextPiece piece in DataFile.ReadAsync(path, tokenizer.CanSplitAtLineBreaks, cancellationToken).ConfigureAwait(false))
                {
                    pieces.Add(piece);
                    numChars += piece.Text.Length;
                    bytesRead += piece.NumBytes;
                    if (numChars >= maxChars || pieces.Count == MaxPieces)
                    {
                        cancellationToken.ThrowIfCancellationRequested();
                        Append(pieces, tokenizer, modelVocabularySize, writer);
                        numChars = 0;
                        progress?.Report(new TokenizingProgress(bytesRead, totalBytes, writer.NumTokens));
                    }
                }
            }

            Append(pieces, tokenizer, modelVocabularySize, writer);
            progress?.Report(new TokenizingProgress(totalBytes, totalBytes, writer.NumTokens));
            writer.Complete();
        }

        return TokenStore.Open(tokenFilePath);
    }

    /// <summary>Encodes the pieces on all cores, writes their ids in order and empties the list.</summary>
    private static void Append(List<TextPiece> pieces, ITokenizer tokenizer, int modelVocabularySize, TokenStoreWriter writer)
    {
        var encoded = new List<int>[pieces.Count];
        try
        {
            Parallel.For(0, pieces.Count, index => encoded[index] = Encode(pieces[index], tokenizer));
        }
        catch (AggregateException e)
        {
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }

        for (int index = 0; index < pieces.Count; index++)
        {
            ReadOnlySpan<int> ids = CollectionsMarshal.AsSpan(encoded[index]);
            foreach (int id in ids)
            {
                if ((uint)id >= (uint)modelVocabularySize)
                {
                    throw new UnreadableInputException(
                        pieces[index].Where, $"the tokenizer does not match the model: it gives id {id}, the model's vocabulary has {modelVocabularySize} ids", "use the tokenizer that came with the model");
                }
            }

            writer.Append(ids);
        }

        pieces.Clear();
    }

    private static List<int> Encode(TextPiece piece, ITokenizer tokenizer)
    {
        var ids = new List<int>((piece.Text.Length / 4) + 2);
        if (piece.BeginsDocument && tokenizer.BeginOfTextId is { } beginOfText)
        {
            ids.Add(beginOfText);
        }

        tokenizer.Encode(piece.Text, ids);
        if (piece.EndsDocument && tokenizer.EndOfTextId is { } endOfText)
        {
            ids.Add(endOfText);
        }

        return ids;
    }
}
