// Every case through a real server on a real socket: whole, byte by byte, and after a valid request. A valid
// request follows each: it must be answered if the connection persists, and not if it closes.

using System.Text;
using Letterbox.Http;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Conformance;

public sealed class TransportTests(WireHosts hosts) : IClassFixture<WireHosts>
{
    private const int PiecesMax = 1000;
    private static readonly byte[] s_good = "GET /good HTTP/1.1\r\nHost: letterbox\r\n\r\n"u8.ToArray();

    public static TheoryData<string> Ids { get; } = [.. ConformanceCase.All.Keys];

    [Theory, MemberData(nameof(Ids))]
    public Task Answers_as_written(string id) =>
        PlayAsync(ConformanceCase.All[id], behind: false, bytewise: false);

    [Theory, MemberData(nameof(Ids))]
    public Task Answers_as_written_byte_by_byte(string id) =>
        PlayAsync(ConformanceCase.All[id], behind: false, bytewise: true);

    [Theory, MemberData(nameof(Ids))]
    public Task Answers_as_written_behind_a_good_request(string id) =>
        PlayAsync(ConformanceCase.All[id], behind: true, bytewise: false);

    private async Task PlayAsync(ConformanceCase c, bool behind, bool bytewise)
    {
        string where =
            $"{c.Place} ({(behind ? "behind a good request" : "first")}{(bytewise ? ", byte by byte" : "")})";
        Method[] methods = Methods(c);
        using HttpPeer peer = await HttpPeer.ConnectAsync(c.OnSite ? hosts.SitePort : hosts.Echo.Port);
        if (behind) await peer.SendAsync(s_good);
        await SendAsync(peer, c, bytewise, where, behind);
        if (c.Answers.Count == 0) peer.HalfClose();
        if (behind && c.Parts.Count == 1) await ReadGoodAsync(peer, where);

        HttpAnswer? last = null;
        for (int i = 0; i < c.Answers.Count; i++)
        {
            last = await peer.ReadFinalAsync(methods[i] == Method.Head);
            Assert.True(last is not null, $"{where}: the stream ends before answer {i + 1}");
            Assert.True(
                last.Status == c.Answers[i].Status, $"{where}: answer {i + 1} is {last.Status}: {last.Text}");
            bool rejected = c.Answers[i].Reason.Length > 0 && methods[i] != Method.Head && !c.OnSite;
            if (rejected)
                Assert.True(last.Text.StartsWith(
                    c.Answers[i].Reason + " ", StringComparison.Ordinal), $"{where}: {last.Text}");
            Assert.True(last.Values("Date").Count() == 1, $"{where}: one Date on every answer");
            bool closes = c.Closes && i == c.Answers.Count - 1;
            Assert.True(last.SaysClose == closes, $"{where}: Connection: close is wrong");
        }

        if (last is not null) Check(c, last, where);
        if (c.Answers.Count > 0 && !c.Closes) await ReadGoodAsync(peer, where);
        else Assert.True(await peer.EndsAsync(), $"{where}: reset instead of closed");
    }

    private async Task SendAsync(HttpPeer peer, ConformanceCase c, bool bytewise, string where, bool behind)
    {
        for (int i = 0; i < c.Parts.Count; i++)
        {
            if (i == 1 && behind) await ReadGoodAsync(peer, where);
            if (i > 0)
            {
                HttpAnswer? interim = await peer.ReadAsync();
                Assert.True(interim is { Status: 100 }, $"{where}: 100 expected, not {interim?.Status}");
            }

            byte[] bytes = Encoding.Latin1.GetBytes(ConformanceCase.Unescape(c.Parts[i], hosts.Named));
            int piece = bytewise ? 1 + (bytes.Length / PiecesMax) : bytes.Length;
            bool goesOn = i == c.Parts.Count - 1 && c.Answers.Count > 0;
            if (!goesOn)
            {
                await peer.SendAsync(bytes, piece);
                continue;
            }

            // Sent together with the last byte: later it would cause a reset if the server has closed.
            await peer.SendAsync(bytes.AsMemory(..^1), piece);
            await peer.SendAsync((byte[])[bytes[^1], .. s_good]);
        }
    }

    private static async Task ReadGoodAsync(HttpPeer peer, string where)
    {
        HttpAnswer? good = await peer.ReadFinalAsync();
        bool answered = good is { Status: 404, SaysClose: false };
        Assert.True(answered, $"{where}: the good request is not answered: {good?.Status}");
    }

    private void Check(ConformanceCase c, HttpAnswer answer, string where)
    {
        foreach ((string word, string text) in c.Expected.Skip(1))
        {
            string value = ConformanceCase.Unescape(text, hosts.Named);
            string[] pair = value.Split(": ", 2);
            bool holds = word switch
            {
                "field" when pair.Length == 1 => answer.Values(value).Any(),
                "field" => answer.Values(pair[0]).Contains(pair[1], StringComparer.Ordinal),
                "no field" => !answer.Values(value).Any(),
                "content" when value == "none" => answer.Content.Length == 0,
                "content" => answer.Text == value,
                "content holds" => answer.Text.Contains(value, StringComparison.Ordinal),
                _ => throw new FormatException($"{c.Place}: unknown word '{word}'"),
            };
            string got = $"{string.Join('\n', answer.Fields)}\n\n{answer.Text}";
            Assert.True(holds, $"{where}: {word}: {value}, but:\n{got}");
        }
    }

    private Method[] Methods(ConformanceCase c)
    {
        var replay = new HttpReplay(new HttpLimits());
        byte[] bytes = c.Bytes(hosts.Named);
        replay.Play(bytes, bytes.Length, bytes.Length);
        return [.. replay.Methods];
    }
}
