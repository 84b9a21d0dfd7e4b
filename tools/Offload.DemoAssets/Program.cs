using System.CommandLine;
using Offload.DemoAssets.Model;
using Offload.DemoAssets.Questions;
using Offload.DemoAssets.Stories;
using Offload.DemoAssets.Text;
using Offload.DemoAssets.Tokenization;

const double QuestionShare = 0.2; // of the bytes the tokenizer is trained on

var seed = new Option<ulong>("--seed") { Description = "Seed of the texts.", DefaultValueFactory = _ => 1 };
var outputFile = new Option<string>("--output") { Description = "File to write (JSONL).", Required = true };

var storyCount = new Option<int>("--count") { Description = "Number of stories.", DefaultValueFactory = _ => 40_000 };
var stories = new Command("stories", "Writes simple children's stories as JSONL.") { storyCount, seed, outputFile };
stories.SetAction(result =>
{
    var generator = new StoryGenerator(result.GetValue(seed));
    int count = result.GetValue(storyCount);
    long sizeBytes = JsonLines.Write(result.GetRequiredValue(outputFile), generator.Generate(count));
    Console.WriteLine($"{count} stories, {sizeBytes} bytes");
});

var phrasings = new Option<int>("--phrasings") { Description = "Most phrasings of each fact.", DefaultValueFactory = _ => 7 };
var questions = new Command("questions", "Writes questions and answers about Offload as JSONL.") { phrasings, seed, outputFile };
questions.SetAction(result =>
{
    IReadOnlyList<string> rows = new QuestionGenerator(result.GetValue(seed)).Generate(result.GetValue(phrasings));
    long sizeBytes = JsonLines.Write(result.GetRequiredValue(outputFile), rows);
    Console.WriteLine($"{rows.Count} questions, {sizeBytes} bytes");
});

var storiesFile = new Option<string>("--stories") { Description = "Stories (JSONL), four fifths of the mix.", Required = true };
var questionsFile = new Option<string>("--questions") { Description = "Questions (JSONL), one fifth of the mix.", Required = true };
var vocabularySize = new Option<int>("--vocab-size") { Description = "Tokens in the vocabulary.", DefaultValueFactory = _ => 2048 };
var modelFolder = new Option<string>("--output") { Description = "Model folder to write into.", Required = true };
var tokenizer = new Command("tokenizer", "Trains the tokenizer; writes it and the model's config.json.")
{
    storiesFile, questionsFile, vocabularySize, modelFolder,
};
tokenizer.SetAction(result =>
{
    List<string> storyTexts = [.. JsonLines.Read(result.GetRequiredValue(storiesFile))];
    List<string> questionTexts = [.. JsonLines.Read(result.GetRequiredValue(questionsFile))];
    double storyChars = storyTexts.Sum(text => (double)text.Length);
    double questionChars = Math.Max(1, questionTexts.Sum(text => (double)text.Length));
    long weight = Math.Max(1, (long)Math.Round(storyChars * QuestionShare / (1 - QuestionShare) / questionChars));

    var trainer = new BpeTrainer();
    storyTexts.ForEach(text => trainer.Add(text));
    questionTexts.ForEach(text => trainer.Add(text, weight));
    BpeVocabulary vocabulary = trainer.Train(result.GetValue(vocabularySize));

    string folder = result.GetRequiredValue(modelFolder);
    TokenizerFiles.Write(folder, vocabulary, DemoModelFiles.MaxPositions);
    DemoModelFiles.Write(folder, vocabulary.Tokens.Count);
    Console.WriteLine($"{vocabulary.Tokens.Count} tokens, {vocabulary.Merges.Count} merges, questions counted {weight} times");
    Console.WriteLine($"the model has {DemoModelFiles.CountParameters(vocabulary.Tokens.Count)} parameters");
});

var root = new RootCommand("Makes what the demo needs, by seed: stories, questions, the tokenizer.") { stories, questions, tokenizer };
try
{
    return root.Parse(args).Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
}
catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or InvalidDataException or ArgumentException)
{
    Console.Error.WriteLine(exception.Message);
    return 1;
}
