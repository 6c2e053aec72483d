// The scripted MongoDB as a process, for tests: killed, and started again on the same ports with the same
// file.

using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Data.Sqlite;
using Diagnostics = System.Diagnostics;

namespace Letterbox.Tests.Support;

/// <summary>A MongoDB with many lives. For one thread at a time.</summary>
internal sealed class MongoHost : IAsyncDisposable
{
    private readonly TempFolder _folder = new();
    private readonly int[] _ports;
    private Diagnostics.Process? _process;

    private MongoHost(int[] ports) => _ports = ports;

    /// <summary>Its connection string, with short timeouts; the same in every life.</summary>
    public string Uri { get; private set; } = "";

    /// <summary>Starts the first life; with three members, it is a replica set.</summary>
    public static async Task<MongoHost> StartAsync(int members = 1)
    {
        // Ports that were free a moment ago: every life has to have the same ones.
        var probes = Enumerable.Range(0, members).Select(static _ => Loopback.Listen()).ToArray();
        int[] ports = [.. probes.Select(static probe => probe.Port())];
        foreach (var probe in probes) probe.Dispose();
        var host = new MongoHost(ports);
        await host.UpAsync();
        return host;
    }

    /// <summary>Starts it again after <see cref="Kill"/>; returns when it listens.</summary>
    public async Task UpAsync()
    {
        string[] arguments =
            [File, .. _ports.Select(static port => port.ToString(CultureInfo.InvariantCulture))];
        var start = new Diagnostics.ProcessStartInfo(
            Path.Combine(AppContext.BaseDirectory, "MongoHost"), arguments)
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        // As for LetterboxProcess: it has to find the runtime that these tests run on.
        string runtime = RuntimeEnvironment.GetRuntimeDirectory();
        start.Environment["DOTNET_ROOT"] = Path.GetFullPath("../../..", runtime);
        _process = Diagnostics.Process.Start(start)!;
        Uri = await _process.StandardOutput.ReadLineAsync()
            ?? throw new InvalidOperationException("MongoHost ended before it was ready");
    }

    /// <summary>kill -9; returns when it is gone.</summary>
    public void Kill()
    {
        _process!.Kill();
        _process.WaitForExit();
        _process.Dispose();
        _process = null;
    }

    /// <summary>The next inserts meet these misbehaviours, one each, if it lives as long.</summary>
    public void Next(params ReadOnlySpan<(string When, MongoMisbehaviour What)> failures)
    {
        foreach ((string when, MongoMisbehaviour what) in failures)
            _process!.StandardInput.WriteLine($"{when} {what}");
    }

    /// <summary>Key and text of what is on its disk, in order, read without its own code.</summary>
    public IReadOnlyList<(string Id, string Text)> Messages()
    {
        SQLitePCL.Batteries_V2.Init();
        using var connection = new SqliteConnection($"Data Source={File};Mode=ReadOnly;Pooling=False");
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText =
            "SELECT document FROM documents WHERE namespace = 'letterbox.messages' ORDER BY seq";
        using SqliteDataReader rows = command.ExecuteReader();
        var messages = new List<(string, string)>();
        while (rows.Read())
        {
            var document = MongoDoc.Decode(rows.GetFieldValue<byte[]>(0));
            messages.Add((document["_id"]!.ToString()!, (string)document["message"]!));
        }

        return messages;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        if (_process is not null) Kill();
        _folder.Dispose();
        return ValueTask.CompletedTask;
    }

    private string File => _folder.File("mongo.db");
}
