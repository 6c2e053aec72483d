// A client that leaves more than LETTERBOX_CLIENT_RATE: it is asked to wait, others are not, nothing is lost.

using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Process;

public sealed class ClientRateTests
{
    private static readonly string s_text = new('x', 4000);

    [Fact]
    public async Task A_flood_from_one_address_is_answered_429_with_the_form_filled_in()
    {
        await using LetterboxProcess letterbox = await LetterboxProcess.StartAsync(variables: new()
        {
            ["LETTERBOX_CLIENT_RATE"] = "1KiB",
            ["LETTERBOX_TRUSTED_PROXIES"] = "127.0.0.0/8",
        });
        using var client = new HttpClient(new HttpClientHandler { AllowAutoRedirect = false });
        client.BaseAddress = new Uri(letterbox.Http.ToUrl());
        int stored = 0;
        HttpResponseMessage answer;
        while ((answer = await PostAsync("192.0.2.1", json: false)).StatusCode == HttpStatusCode.SeeOther)
            Assert.True(++stored < 100, "no bound was met");

        Assert.InRange(stored, 15, 17); // 64 KiB at once, in messages of 4 KB
        Assert.Equal(HttpStatusCode.TooManyRequests, answer.StatusCode);
        Assert.True(answer.Headers.RetryAfter!.Delta > TimeSpan.Zero);
        string page = await answer.Content.ReadAsStringAsync();
        Assert.Contains(s_text, page, StringComparison.Ordinal);
        Assert.Contains("press Send again", page, StringComparison.Ordinal);

        using HttpResponseMessage problem = await PostAsync("192.0.2.1", json: true);
        Assert.Equal(HttpStatusCode.TooManyRequests, problem.StatusCode);
        Assert.Equal("application/problem+json", problem.Content.Headers.ContentType!.MediaType);
        // Another visitor behind the same proxy, and one that no proxy speaks for, are not concerned.
        Assert.Equal(HttpStatusCode.SeeOther, (await PostAsync("192.0.2.2", json: false)).StatusCode);
        Assert.Equal(HttpStatusCode.SeeOther, (await PostAsync(null, json: false)).StatusCode);
        Assert.Equal(stored + 2, JournalRows.Messages(letterbox.Data).Length);
        Assert.Equal("ready\n", await client.GetStringAsync(new Uri("/readyz", UriKind.Relative)));

        Task<HttpResponseMessage> PostAsync(string? from, bool json)
        {
            var request = new HttpRequestMessage(HttpMethod.Post, "/message")
            {
                Content = new FormUrlEncodedContent([new("username", "ann"), new("message", s_text)]),
            };
            if (from is not null) request.Headers.Add("X-Forwarded-For", from);
            if (json) request.Headers.Add("Accept", "application/json");
            return client.SendAsync(request);
        }
    }

    // The web process on another host sends the messages of all visitors from one address.
    [Fact]
    public async Task On_a_private_network_the_socket_server_has_no_rate()
    {
        IPAddress? address = NetworkInterface.GetAllNetworkInterfaces()
            .SelectMany(one => one.GetIPProperties().UnicastAddresses).Select(one => one.Address)
            .Where(one => one.AddressFamily == AddressFamily.InterNetwork)
            .FirstOrDefault(one => !IPAddress.IsLoopback(one));
        Assert.SkipWhen(address is null, "this machine has only loopback addresses");
        await using LetterboxProcess store = await LetterboxProcess.StartAsync(["store"], new()
        {
            ["LETTERBOX_SOCKET"] = $"{address}:0",
            ["LETTERBOX_NETWORK"] = "private",
            ["LETTERBOX_CLIENT_RATE"] = "1KiB",
        });
        using SocketClient client =
            await SocketClient.ConnectAsync(new IPEndPoint(address, store.Socket.Port));
        for (int i = 0; i < 50; i++)
        {
            await client.SendAsync($"username=ann&message={s_text}\n");
            Assert.StartsWith("OK ", await client.ReadLineAsync(), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("1")]
    [InlineData("512B")]
    [InlineData("fast")]
    public async Task A_wrong_rate_is_named(string rate)
    {
        Finished end = await LetterboxProcess.RunAsync([], new() { ["LETTERBOX_CLIENT_RATE"] = rate });
        Assert.Equal(2, end.Status);
        Assert.Contains($"LETTERBOX_CLIENT_RATE is \"{rate}\": expected off, or", end.Error);
    }
}
