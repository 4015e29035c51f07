using FlatRender.Contracts;
using FlatRender.EventStore;
using FlatRender.Render;
using FlatRender.TestKit;

namespace FlatRender.Services.Tests;

/// <summary>The farm's office without a bus: its book, its nodes, its history, and a clock moved by hand.</summary>
sealed class Farm
{
    public static readonly FilmSpec Film = new(64, 64, 100, 30, 1, "#ffffff", new Rect(0, 0, 64, 64), "1/1");
    public static readonly TaskTimes Times = new(0, 0, 1, 1, 0, 0, 2);

    readonly OwnDatabase _database;

    Farm(OwnDatabase database)
    {
        _database = database;
        var log = new FarmLog(database.Source, new Alongside(new EventStoreOptions { DataSource = database.Source }, new Wake(), Clock));
        Book = new WorkBook(database.Source, log, Clock, new LiveBoard((_, _) => Task.CompletedTask, Clock));
        Nodes = new NodeBook(database.Source, log, Clock);
        State = new FarmState(database.Source, new DoorTally(), Clock);
    }

    public HandClock Clock { get; } = new();
    public WorkBook Book { get; }
    public NodeBook Nodes { get; }
    public FarmState State { get; }

    readonly List<object> _told = [];
    long _heard;

    /// <summary>What the pipeline is told: what was committed to the agenda.</summary>
    public List<object> Told
    {
        get
        {
            using var command = _database.Source.CreateCommand("SELECT id, type, data::text FROM eventstore.agenda WHERE id > $1 ORDER BY id");
            command.Parameters.Add(new Npgsql.NpgsqlParameter { Value = _heard });
            using var rows = command.ExecuteReader();
            while (rows.Read())
            {
                _heard = rows.GetInt64(0);
                _told.Add(Vocabulary.All.Read(rows.GetString(1), rows.GetString(2)));
            }
            return _told;
        }
    }

    /// <summary>A farm on which nothing has happened yet.</summary>
    public static async Task<Farm> OpenAsync(OwnDatabase database)
    {
        await database.Source.RunAsync("TRUNCATE render.jobs, render.tasks, render.failures, render.nodes, render.limits, render.turns, eventstore.mt_events, eventstore.mt_streams, eventstore.agenda CASCADE", default);
        return new Farm(database);
    }

    public static PlanFrames Plan(JobId job, TenantId tenant, int order = 1, int priority = 50, int frames = 100, string? template = null, params string[] tags) =>
        new(job, order, tenant, template ?? "aa", Film with { Frames = frames }, priority, tags.Length == 0 ? null : new Needs(null, tags));

    /// <summary>Plans a render of its own tenant, unless said otherwise.</summary>
    public async Task<JobId> PlanAsync(TenantId? tenant = null, int priority = 50, int frames = 100, string? template = null, params string[] tags)
    {
        var job = new JobId(Ids.New());
        await Book.PlanAsync(Plan(job, tenant ?? new TenantId(Ids.New()), 1, priority, frames, template, tags), default);
        return job;
    }

    public async Task<NodeId> JoinAsync(int slots = 8, NodeId? again = null, string engine = "skottie", params string[] tags)
    {
        var node = again ?? new NodeId(Ids.New());
        await Nodes.JoinAsync(new NodeRegistration(node, "n", "http://127.0.0.1:1", slots, tags, new Dictionary<string, string> { [engine] = "e" }, "1"), default);
        return node;
    }

    public Task<NodeTask?> LeaseAsync(NodeId node) => Book.LeaseAsync(node, default);

    public static NodeResult ResultOf(NodeTask task) => task switch
    {
        RenderTask t => new TaskRendered(t.LeaseId, t.Epoch, Times, new SegmentFiles(t.First, t.Count, "s" + t.First, "m" + t.First), "engine"),
        ValidateTask t => new TaskValidated(t.LeaseId, t.Epoch, Times, [], [], "", []),
        _ => new TaskAssembled(task.LeaseId, task.Epoch, Times, new FilmFile("f", 1, "t", 1, task.Film.Frames, 0), [], [], ""),
    };

    public async Task DoAsync(NodeId node, NodeTask task) => (await Book.CompleteAsync(node, ResultOf(task), default)).ShouldBeTrue();

    public async Task CrashAsync(NodeId node, NodeTask task, string code = "ENGINE_CRASHED") =>
        (await Book.CompleteAsync(node, new TaskFailed(task.LeaseId, task.Epoch, Times, code, "exit code 139"), default)).ShouldBeTrue();

    /// <summary>Time passes while nodes go on beating.</summary>
    public async Task PassAsync(TimeSpan time, params NodeId[] beating)
    {
        Clock.Advance(time);
        foreach (var node in beating) (await Nodes.SeenAsync(node, null, default)).Known.ShouldBeTrue();
    }

    public Task<List<T>> QueryAsync<T>(string sql, Func<Npgsql.NpgsqlDataReader, T> row, params object?[] values) => _database.Source.QueryAsync(sql, row, default, values);

    /// <summary>The facts of a stream, as they are stored.</summary>
    public async Task<List<object>> FactsAsync(Guid stream) => await QueryAsync("SELECT type, data::text FROM eventstore.mt_events WHERE stream_id = $1 ORDER BY version", row => Vocabulary.All.Read(row.GetString(0), row.GetString(1)), stream);

    public async Task<string[]> HistoryAsync(NodeId node) => [.. (await FactsAsync(node.Value)).Select(f => f.GetType().Name)];

    /// <summary>The counts that are kept equal those that are counted.</summary>
    public async Task CountsHoldAsync() => (await QueryAsync("""
        SELECT j.job_id::text || ' ' || (j.waiting, j.leased, j.chunks, j.drawn, j.drawn_frames, j.checked)::text || ' and counted ' || (t.waiting, t.leased, t.chunks, t.drawn, t.drawn_frames, t.checked)::text
        FROM render.jobs j
        CROSS JOIN LATERAL (
            SELECT count(*) FILTER (WHERE state = 'waiting') AS waiting, count(*) FILTER (WHERE state = 'leased') AS leased, count(*) FILTER (WHERE kind = 'render') AS chunks,
                   count(*) FILTER (WHERE kind = 'render' AND state = 'done') AS drawn, coalesce(sum(count) FILTER (WHERE kind = 'render' AND state = 'done'), 0) AS drawn_frames,
                   count(*) FILTER (WHERE kind = 'validate' AND state = 'done') AS checked
            FROM render.tasks t WHERE t.job_id = j.job_id) t
        WHERE (j.waiting, j.leased, j.chunks, j.drawn, j.drawn_frames, j.checked) <> (t.waiting, t.leased, t.chunks, t.drawn, t.drawn_frames, t.checked)
        """, row => row.GetString(0))).ShouldBeEmpty();
}

/// <summary>One database for the farms of a class, one after the other.</summary>
public sealed class FarmDatabase : IAsyncLifetime
{
    public OwnDatabase Database { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        Database = await OwnDatabase.CreateAsync();
        await Migration.ApplyAsync(Database.Source, "eventstore", default);
        await Schema.UpdateAsync(Database.Source, "render", typeof(RenderService).Assembly, default);
    }

    public Task DisposeAsync() => Database.DisposeAsync().AsTask();
}
