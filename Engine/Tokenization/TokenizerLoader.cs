using Offload.Storage;

namespace Offload.Engine.Tokenization;

/// <summary>Finds and reads the tokenizer of a model folder.</summary>
public static class TokenizerLoader
{
    private const string JsonFileName = "tokenizer.json";
    private const string SentencePieceFileName = "tokenizer.model";

    /// <summary>
    /// Reads tokenizer.json (byte-level BPE), or tokenizer.model (SentencePiece BPE) where that is all the folder has or where its
    /// tokenizer.json only restates it. Begin and end of text come from tokenizer_config.json, which may be missing. Whatever would
    /// not be tokenised exactly as the Hugging Face tokenizers library does is refused.
    /// </summary>
    /// <param name="modelFolder">The model's folder, as on the Hub.</param>
    /// <returns>The tokenizer; owns no unmanaged resource, safe for concurrent use.</returns>
    /// <exception cref="UnreadableInputException">No tokenizer, or one that is malformed or has an unsupported part.</exception>
    public static ITokenizer Load(string modelFolder)
    {
        ArgumentException.ThrowIfNullOrEmpty(modelFolder);
        string json = Path.Combine(modelFolder, JsonFileName);
        string sentencePiece = Path.Combine(modelFolder, SentencePieceFileName);
        bool hasSentencePiece = File.Exists(sentencePiece);
        if (!File.Exists(json) && !hasSentencePiece)
        {
            throw new UnreadableInputException(
                modelFolder,
                Directory.Exists(modelFolder) ? $"has neither {JsonFileName} nor {SentencePieceFileName}" : "is not a folder",
                "Download the tokenizer files together with the model.");
        }

        TokenizerConfig config = TokenizerConfig.Load(modelFolder);
        if (!File.Exists(json))
        {
            return SentencePieceReader.Read(sentencePiece, null, config);
        }

        JsonPart root = JsonPart.Load(json);
        return hasSentencePiece && SentencePieceReader.Restates(root)
            ? SentencePieceReader.Read(sentencePiece, root, config)
            : new ByteLevelTokenizer(ByteLevelReader.Read(root, config));
    }
}
