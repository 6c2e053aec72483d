// TZ as people write it. The expected times are those of the C library (`TZ=... date -d ...`).

using System.Globalization;
using Letterbox.Configuration;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Configuration;

public sealed class LocalTimeTests
{
    [Theory]
    [InlineData("JST-9", "2026-07-01 12:00", "2026-07-01 21:00")]
    [InlineData("<+03>-3", "2026-07-01 12:00", "2026-07-01 15:00")]
    [InlineData("<-0330>3:30", "2026-07-01 12:00", "2026-07-01 08:30")]
    [InlineData("UTC0", "2026-07-01 12:00", "2026-07-01 12:00")]
    [InlineData(":JST-9", "2026-07-01 12:00", "2026-07-01 21:00")]
    [InlineData("CET-1CEST", "2026-11-25 12:00", "2026-11-25 13:00")]
    [InlineData("CET-1CEST", "2026-07-01 12:00", "2026-07-01 14:00")]
    [InlineData("CET-1CEST", "2026-03-10 12:00", "2026-03-10 14:00")]
    [InlineData("CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29 00:59", "2026-03-29 01:59")]
    [InlineData("CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29 01:00", "2026-03-29 03:00")]
    [InlineData("CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-25 00:59", "2026-10-25 02:59")]
    [InlineData("CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-25 01:00", "2026-10-25 02:00")]
    [InlineData("AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-01-01 12:00", "2026-01-01 23:00")]
    [InlineData("AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-07-01 12:00", "2026-07-01 22:00")]
    [InlineData("IST-2IDT,M3.4.4/26,M10.5.0", "2026-03-26 23:59", "2026-03-27 01:59")]
    [InlineData("IST-2IDT,M3.4.4/26,M10.5.0", "2026-03-27 00:00", "2026-03-27 03:00")]
    [InlineData("<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-07-01 12:00", "2026-07-01 11:00")]
    [InlineData("AAA3BBB2:30,J60/0,300", "2024-03-01 02:59", "2024-02-29 23:59")]
    [InlineData("AAA3BBB2:30,J60/0,300", "2024-03-01 03:00", "2024-03-01 00:30")]
    [InlineData("America/New_York", "2026-07-01 12:00", "2026-07-01 08:00")]
    [InlineData(":Asia/Tokyo", "2026-07-01 12:00", "2026-07-01 21:00")]
    [InlineData("", "2026-07-01 12:00", "2026-07-01 12:00")]
    [InlineData("EST5EDT", "2026-07-01 12:00", "2026-07-01 08:00")]
    public void A_zone_is_honoured(string zone, string utc, string local)
    {
        var at = DateTime.ParseExact(utc, "yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture);
        DateTime there = TimeZoneInfo.ConvertTimeFromUtc(at, LocalTime.Find(zone));
        Assert.Equal(local, there.ToString("yyyy-MM-dd HH:mm", CultureInfo.InvariantCulture));
    }

    [Theory]
    [InlineData("Europe/Berln")]
    [InlineData("JST")]
    [InlineData("JST-")]
    [InlineData("JS-9")]
    [InlineData("JST-9:60")]
    [InlineData("JST-25")]
    [InlineData("CET-1CEST,M13.1.0,M10.5.0")]
    [InlineData("CET-1CEST,M3.6.0,M10.5.0")]
    [InlineData("CET-1CEST,M3.5.0")]
    [InlineData("CET-1CEST,J366,J1")]
    [InlineData("JST-9\r")]
    [InlineData("/no/such/file")]
    [InlineData("/etc/passwd")]
    [InlineData("/usr")]
    [InlineData("../../../etc/passwd")]
    public void Any_other_zone_is_rejected_by_name(string zone)
    {
        string failure = Assert.Throws<SettingsException>(() => LocalTime.Find(zone)).Message;
        string shown = zone.Replace("\r", "\\r");
        Assert.StartsWith($"TZ is \"{shown}\": expected ", failure, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("JST-9", 9)]
    [InlineData("<+03>-3", 3)]
    [InlineData("America/Phoenix", -7)]
    public async Task Dates_and_the_log_are_in_that_zone(string zone, int hours)
    {
        var variables = new Dictionary<string, string> { ["TZ"] = zone, ["LETTERBOX_LOG"] = "debug" };
        await using LetterboxProcess store = await LetterboxProcess.StartAsync(["store"], variables);
        DateTime before = DateTime.UtcNow.AddHours(hours).AddSeconds(-1);
        Finished sent = await LetterboxProcess.RunAsync(
            ["send", "--socket", $"{store.Socket}", "--username", "ann", "--message", "hello"]);
        Assert.Equal(0, sent.Status);
        Finished list = await LetterboxProcess.RunAsync(["messages", "--format", "csv"], data: store.Data);
        DateTime after = DateTime.UtcNow.AddHours(hours);
        string row = list.Output.Split("\n", StringSplitOptions.RemoveEmptyEntries)[^1];
        Assert.InRange(
            DateTime.Parse(row.Split(',')[1], CultureInfo.InvariantCulture), before, after);
        string logged = (await store.Error.SeeAsync("^(.{19})")).Groups[1].Value;
        Assert.InRange(
            DateTime.Parse(logged, CultureInfo.InvariantCulture), before.AddMinutes(-5), after);
    }
}
