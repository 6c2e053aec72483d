// Moments, lengths of time and sizes as people write them.

using Letterbox.Configuration;
using Letterbox.Tests.Support;

namespace Letterbox.Tests.Configuration;

public sealed class PointInTimeTests
{
    // 20:20:58 in UTC; a zone that goes back from +3 to +2 on 1 November at 04:00.
    private static readonly TimeZoneInfo s_zone = TimeZoneInfo.CreateCustomTimeZone(
        "there", TimeSpan.FromHours(2), null, null, null,
        [TimeZoneInfo.AdjustmentRule.CreateAdjustmentRule(
            DateTime.MinValue.Date, DateTime.MaxValue.Date, TimeSpan.FromHours(1),
            TimeZoneInfo.TransitionTime.CreateFixedDateRule(new DateTime(1, 1, 1, 3, 0, 0), 4, 1),
            TimeZoneInfo.TransitionTime.CreateFixedDateRule(new DateTime(1, 1, 1, 4, 0, 0), 11, 1))]);

    private readonly ManualTime _time = new(new DateTimeOffset(2026, 11, 2, 12, 0, 0, TimeSpan.Zero), s_zone);

    [Theory]
    [InlineData("2026-11-02", "2026-11-02T00:00:00+02:00")]
    [InlineData("2026-10-31", "2026-10-31T00:00:00+03:00")]
    [InlineData("2026-11-02 12:30", "2026-11-02T12:30:00+02:00")]
    [InlineData("2026-11-02 12:30:59", "2026-11-02T12:30:59+02:00")]
    [InlineData("2026-11-01 03:30", "2026-11-01T03:30:00+03:00")]
    [InlineData("36h", "2026-11-01T00:00:00+00:00")]
    [InlineData("0s", "2026-11-02T12:00:00+00:00")]
    public void A_moment_is_a_local_date_or_a_time_ago(string text, string moment)
    {
        Assert.True(PointInTime.TryParse(text, _time, out DateTimeOffset value));
        Assert.Equal(moment, $"{value:yyyy-MM-dd'T'HH:mm:sszzz}");
    }

    [Theory]
    [InlineData("")]
    [InlineData("yesterday")]
    [InlineData("2026-11-31")]
    [InlineData("2026-11-02 25:00")]
    [InlineData("0001-01-01")]
    [InlineData("-1h")]
    public void Anything_else_is_none(string text) => Assert.False(PointInTime.TryParse(text, _time, out _));

    [Theory]
    [InlineData("0B", 0)]
    [InlineData("1000B", 1000)]
    [InlineData("512KiB", 512 << 10)]
    [InlineData("64MiB", 64 << 20)]
    [InlineData("10GiB", 10L << 30)]
    [InlineData("2TiB", 2L << 40)]
    public void A_size_has_a_unit(string text, long bytes)
    {
        Assert.True(ByteSize.TryParse(text, out long value));
        Assert.Equal(bytes, value);
    }

    [Theory]
    [InlineData("")]
    [InlineData("64")]
    [InlineData("64MB")]
    [InlineData("-1MiB")]
    [InlineData("1.5GiB")]
    [InlineData("MiB")]
    [InlineData("1000001TiB")]
    [InlineData("99999999999999999999B")]
    public void Anything_else_is_no_size(string text) => Assert.False(ByteSize.TryParse(text, out _));
}
