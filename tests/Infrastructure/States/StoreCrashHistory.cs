using System.Buffers.Binary;
using Offload.Storage;
using Offload.Storage.Devices;
using Offload.Storage.States;

namespace Offload.Tests.Infrastructure.States;

/// <summary>One history: a model of the store's contents beside the store.</summary>
internal sealed class StoreCrashHistory : IDisposable
{
    private const int MaxEpochs = 4;
    private const int MaxActions = 30;

    private readonly Random _random;
    private readonly StoreDescription _description;
    private readonly StoreGeometry _geometry;
    private readonly StoreOptions _options;
    private readonly int[] _stripeBytes;
    private readonly int? _completionSeed;
    private CrashableDevice[] _members;
    private StateStore? _store;
    private Model? _committed; // Null: nothing was committed.
    private Model? _inFlight; // What a commit that did not return may have made of it.
    private Model _working;
    private bool _isOverwriting; // A single generation's tiles may have been overwritten since the last commit.
    private bool _isCutInFlush; // No write was cut off.
    private int _lastVersion;
    private int _lastStep;

    internal StoreCrashHistory(int seed)
    {
        _random = new Random(seed);
        _description = StorePatterns.Any(_random);
        _geometry = StoreGeometry.Of(_description);
        _options = new StoreOptions { BlockBytes = 4096 << _random.Next(4) };
        int numMembers = _random.Next(3) == 0 ? _random.Next(2, 4) : 1;
        _stripeBytes = [.. Enumerable.Range(0, numMembers).Select(_ => 4096 * _random.Next(1, 4))];
        _completionSeed = _random.Next(4) == 0 ? seed : null;
        _members = NewMembers();
        _working = Model.Empty(_geometry.NumTiles);
    }

    internal int NumCrashes { get; private set; }

    internal int NumCommitsKept { get; private set; }

    internal int NumCommitsLost { get; private set; }

    internal int NumRefused { get; private set; }

    public void Dispose()
    {
        _store?.Dispose();
        Array.ForEach(_members, member => member.Dispose());
    }

    /// <returns>What went against the model; null: nothing.</returns>
    internal string? Run()
    {
        int numEpochs = _random.Next(1, MaxEpochs + 1);
        for (int epoch = 0; epoch < numEpochs; epoch++)
        {
            string? problem = RunEpoch() ?? Crash() ?? Reopen();
            if (problem is not null)
            {
                return $"epoch {epoch}: {problem}";
            }
        }

        return null;
    }

    /// <summary>Acts until the power is cut, or until there is nothing more to do.</summary>
    private string? RunEpoch()
    {
        if (_store is null)
        {
            // Files are never used again: a store is made in new ones.
            Array.ForEach(_members, member => member.Dispose());
            _members = NewMembers();
        }

        if (_random.Next(5) != 0)
        {
            // Somewhere in the actions to come; more often in the first few operations, where commits of few tiles are.
            CrashableDevice member = _members[_random.Next(_members.Length)];
            member.CrashAt(member.NumOperations + _random.Next(_random.Next(2) == 0 ? 12 : 120));
        }

        try
        {
            _store ??= StateStore.Create(Device(), _description, _options);
            int numActions = _random.Next(MaxActions);
            for (int action = 0; action < numActions; action++)
            {
                if (Act() is { } problem)
                {
                    return problem;
                }
            }
        }
        catch (StorageException error) when (Array.Exists(_members, member => member.HasCrashed))
        {
            // What the power cut does to a call. Whether the store is well is for the next opening to show.
            _isCutInFlush = error.Operation == "flush";
        }

        return null;
    }

    private string? Act()
    {
        switch (_random.Next(12))
        {
            case < 6:
                WriteTiles(_random.Next(1, 4));
                return null;
            case < 8:
                WriteTiles(_geometry.NumTiles * 2);
                return null;
            case 8 when _description.Generations == 2 || !_isOverwriting:
                _store!.Rollback();
                _working = _committed ?? Model.Empty(_geometry.NumTiles);
                return null;
            case 9 when !_isOverwriting:
                // The process ends; the machine does not.
                return Reopen();
            case 10 when _working.IsComplete:
                return FindDifference(_working);
            default:
                return Commit();
        }
    }

    private void WriteTiles(int count)
    {
        TileId[] tiles = [.. _geometry.Tiles()];
        for (int index = 0; index < count; index++)
        {
            int place = index < tiles.Length && count > tiles.Length ? index : _random.Next(tiles.Length);
            bool canWrite = _committed is null || _description.Units[tiles[place].Unit].Parts.Any(part => part.IsMutable);
            if (canWrite)
            {
                _isOverwriting |= _description.Generations == 1 && _committed is not null;
                StorePatterns.Write(_store!, tiles[place], ++_lastVersion);
                _working = _working.With(place, _lastVersion, withImmutable: _committed is null);
            }
        }
    }

    private string? Commit()
    {
        if (!_working.IsComplete)
        {
            return null;
        }

        if (_random.Next(4) == 0)
        {
            // A commit is few operations: chance alone would seldom hit one.
            CrashableDevice member = _members[_random.Next(_members.Length)];
            member.CrashAt(member.NumOperations + _random.Next(5));
        }

        Model next = _working with { Step = ++_lastStep };
        _inFlight = next;
        StoreCommit commit = _store!.Commit(next.Step, RunState(next.Step));
        _committed = _working = next;
        _inFlight = null;
        _isOverwriting = false;
        return commit.Step == next.Step ? null : $"committed step {commit.Step} instead of {next.Step}";
    }

    /// <summary>A power cut; or, of a process inside a flush, a kill that leaves the machine running.</summary>
    private string? Crash()
    {
        _store?.Dispose();
        _store = null;
        NumCrashes++;
        if (_inFlight is not null && _isCutInFlush && _random.Next(2) == 0)
        {
            Array.ForEach(_members, member => member.CrashAt(long.MaxValue));
            return null;
        }

        CrashableDevice[] survivors = [.. _members.Select(member => new CrashableDevice(member.Crash(_random), _completionSeed))];
        Array.ForEach(_members, member => member.Dispose());
        _members = survivors;
        return null;
    }

    /// <summary>Opens the store and compares it with what may be left of it.</summary>
    private string? Reopen()
    {
        _store?.Dispose();
        _store = null;
        try
        {
            _store = StateStore.Open(Device(), _options);
        }
        catch (StoreMismatchException error)
        {
            return AfterRefusal(error);
        }

        StoreCommit? found = _store.LastCommit;
        if (_inFlight is not null)
        {
            bool isKept = found?.Step == _inFlight.Step;
            NumCommitsKept += isKept ? 1 : 0;
            NumCommitsLost += isKept ? 0 : 1;
            _committed = isKept ? _inFlight : _committed;
            _inFlight = null;
        }

        if (found?.Step != _committed?.Step)
        {
            return $"opened at step {found?.Step}, expected {_committed?.Step}";
        }

        _isOverwriting = false;
        _working = _committed ?? Model.Empty(_geometry.NumTiles);
        if (found is null)
        {
            return null;
        }

        if (!found.RunState.Span.SequenceEqual(RunState(found.Step)))
        {
            return $"step {found.Step} has another run state";
        }

        VerifyReport report = _store.Verify();
        if (!report.IsIntact && Array.Exists(_members, member => member.HasCrashed))
        {
            return null; // Reopened while the machine ran, and the power was cut in the middle of the check: reads failed.
        }

        return report.IsIntact ? FindDifference(_working) : report.Damage[0].Problem;
    }

    /// <summary>Refusals are right before the first commit, of which nothing need be there, and inside a step of a single generation.</summary>
    private string? AfterRefusal(StoreMismatchException error)
    {
        bool isRight = _committed is null || (_isOverwriting && error.Message.Contains("single generation", StringComparison.Ordinal));
        NumRefused += _committed is null ? 0 : 1;
        _committed = null;
        _inFlight = null;
        _isOverwriting = false;
        _working = Model.Empty(_geometry.NumTiles);
        return isRight ? null : error.Message;
    }

    private CrashableDevice[] NewMembers()
    {
        long numRounds = (_geometry.SizeBytes / _stripeBytes.Sum()) + 1;
        return [.. _stripeBytes.Select(width =>
            new CrashableDevice(new MemoryDevice(_stripeBytes.Length == 1 ? _geometry.SizeBytes : numRounds * width), _completionSeed))];
    }

    private IBlockDevice Device() => _members.Length == 1
        ? new KeptDevice(_members[0])
        : new StripedDevice([.. _members.Select(member => new KeptDevice(member))], _stripeBytes);

    private string? FindDifference(Model model)
    {
        TileId[] tiles = [.. _geometry.Tiles()];
        return StorePatterns.FindDifference(
            _store!, tile => model.MutableVersions[Array.IndexOf(tiles, tile)], tile => model.ImmutableVersions[Array.IndexOf(tiles, tile)]);
    }

    private static byte[] RunState(long step)
    {
        byte[] state = new byte[8 + (step % 300)];
        BinaryPrimitives.WriteInt64LittleEndian(state, step);
        return state;
    }

    /// <summary>Versions by tile; 0: not written yet.</summary>
    private sealed record Model(int[] MutableVersions, int[] ImmutableVersions, int Step)
    {
        public bool IsComplete => Array.IndexOf(MutableVersions, 0) < 0;

        public static Model Empty(int numTiles) => new(new int[numTiles], new int[numTiles], Step: -1);

        public Model With(int tile, int version, bool withImmutable)
        {
            int[] mutable = [.. MutableVersions];
            int[] immutable = [.. ImmutableVersions];
            mutable[tile] = version;
            immutable[tile] = withImmutable ? version : immutable[tile];
            return this with { MutableVersions = mutable, ImmutableVersions = immutable };
        }
    }
}
