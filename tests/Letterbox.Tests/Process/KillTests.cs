// kill -9 of each process while messages are being posted: whoever was thanked is stored, once, unaltered.

using System.Collections.Concurrent;
using System.Net;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Process;

public sealed class KillTests
{
    private const int Clients = 8;
    private const int Kills = 6;

    // Between two kills so many messages are thanked for, so that each kill falls into the thick of it.
    private const int ThanksPerKill = 60;

    [Theory]
    [InlineData("web")]
    [InlineData("store")]
    public async Task Every_message_that_was_thanked_for_is_stored_once_whichever_child_is_killed(string role)
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync();
        Poster poster = await PostWhileKillingAsync(letterbox, role);
        Address at = letterbox.Http;
        letterbox.Signal(LetterboxProcess.SigTerm);
        Assert.Equal(ExitStatus.Ok, await letterbox.EndedAsync());
        Assert.NotEqual(0, at.Port);
        poster.AssertStored(JournalRows.Ids(letterbox.Data), JournalRows.Messages(letterbox.Data));
    }

    [Fact]
    public async Task They_all_reach_mongodb_once_although_store_process_and_database_go_down()
    {
        await using var mongo = new ScriptedMongo();
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync(
            variables: new() { ["LETTERBOX_MONGODB_URI"] = mongo.ImpatientUri });
        mongo.Next(
            "insert", MongoFault.After(MongoMisbehaviour.Drop), MongoFault.Before(MongoMisbehaviour.Drop),
            MongoFault.After(MongoMisbehaviour.Drop));
        Poster poster = await PostWhileKillingAsync(letterbox, "store");
        int thanked = poster.Thanked.Count;
        await Eventually.IsAsync(() => mongo.Stored("letterbox", "messages").Count >= thanked);
        IReadOnlyList<MongoDoc> stored = mongo.Stored("letterbox", "messages");
        poster.AssertStored(
            [.. stored.Select(static d => d["_id"]!.ToString()!)],
            [.. stored.Select(static d => $"{d["username"]}|{d["message"]}")]);
    }

    [Fact]
    public async Task A_stop_in_the_middle_of_posting_loses_nothing()
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync();
        var poster = new Poster(letterbox.Http);
        Task posting = poster.PostAsync(Clients);
        await Eventually.IsAsync(() => poster.Thanked.Count >= ThanksPerKill);
        letterbox.Signal(LetterboxProcess.SigTerm);
        Assert.Equal(ExitStatus.Ok, await letterbox.EndedAsync());
        poster.Stop();
        await posting;
        poster.AssertStored(JournalRows.Ids(letterbox.Data), JournalRows.Messages(letterbox.Data));
    }

    private static async Task<Poster> PostWhileKillingAsync(LetterboxProcess letterbox, string role)
    {
        var poster = new Poster(letterbox.Http);
        Task posting = poster.PostAsync(Clients);
        for (int kill = 1; kill <= Kills; kill++)
        {
            int thanks = poster.Thanked.Count + ThanksPerKill;
            await Eventually.IsAsync(() => poster.Thanked.Count >= thanks);
            LetterboxProcess.Signal(letterbox.Child(role), LetterboxProcess.SigKill);
        }

        int last = poster.Thanked.Count + ThanksPerKill;
        await Eventually.IsAsync(() => poster.Thanked.Count >= last);
        poster.Stop();
        await posting;
        return poster;
    }

    /// <summary>
    /// Clients that post numbered messages, each until it is thanked for, under one key, as a browser would.
    /// </summary>
    private sealed class Poster(Address http)
    {
        private readonly ConcurrentDictionary<string, string> _sent = new();
        private volatile bool _stopped;
        private int _number;

        /// <summary>Key and <c>username|message</c> of each message that was thanked for.</summary>
        public ConcurrentDictionary<string, string> Thanked { get; } = new();

        public void Stop() => _stopped = true;

        public Task PostAsync(int clients) =>
            Task.WhenAll(Enumerable.Range(0, clients).Select(_ => ClientAsync()));

        /// <summary>
        /// All that was thanked for is there, nothing twice, and nothing that was not sent.
        /// </summary>
        public void AssertStored(string[] ids, string[] messages)
        {
            Assert.Equal(ids.Length, ids.Distinct(StringComparer.Ordinal).Count());
            Dictionary<string, string> stored = ids.Zip(messages).ToDictionary(StringComparer.Ordinal);
            Assert.All(
                Thanked, thanked => Assert.Equal(thanked.Value, stored.GetValueOrDefault(thanked.Key)));
            Assert.All(stored, row => Assert.Equal(_sent.GetValueOrDefault(row.Key), row.Value));
        }

        private async Task ClientAsync()
        {
            var handler = new SocketsHttpHandler { AllowAutoRedirect = false, UseProxy = false };
            using var client = new HttpClient(handler);
            var page = new Uri($"{http.ToUrl()}/message");
            while (!_stopped)
            {
                string id = ObjectId.New(TimeProvider.System).ToString();
                string text = $"message {Interlocked.Increment(ref _number)} ünï & co";
                _sent[id] = $"killer|{text}";
                while (!_stopped)
                {
                    if (!await TryPostAsync(client, page, id, text)) continue;
                    Thanked[id] = $"killer|{text}";
                    break;
                }
            }
        }

        private static async Task<bool> TryPostAsync(HttpClient client, Uri page, string id, string text)
        {
            try
            {
                using var form = new FormUrlEncodedContent(
                    [new("id", id), new("username", "killer"), new("message", text)]);
                using HttpResponseMessage answer = await client.PostAsync(page, form);
                return answer.StatusCode == HttpStatusCode.SeeOther;
            }
            catch (HttpRequestException)
            {
                // The web process is gone; it will be back.
                await Task.Delay(20);
                return false;
            }
        }
    }
}
