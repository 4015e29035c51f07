using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;

namespace FlatRender.Host;

/// <summary>What the process counts and measures, as Prometheus reads it: a listener on the meters of FlatRender, its web server, its runtime and its database client.</summary>
sealed class Metrics : IDisposable
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    static readonly string[] Meters = ["FlatRender", "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel", "System.Runtime", "Npgsql"];

    /// <summary>Bounds of histograms that advise none: from a millisecond to five minutes, in seconds.</summary>
    static readonly double[] Bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300];

    readonly MeterListener _listener = new();
    readonly ConcurrentDictionary<Instrument, Family> _families = new();

    public Metrics()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (Meters.Any(m => instrument.Meter.Name.StartsWith(m, StringComparison.Ordinal))) listener.EnableMeasurementEvents(instrument, _families.GetOrAdd(instrument, i => new Family(i)));
        };
        _listener.SetMeasurementEventCallback<byte>((_, value, tags, family) => Take(family, value, tags));
        _listener.SetMeasurementEventCallback<short>((_, value, tags, family) => Take(family, value, tags));
        _listener.SetMeasurementEventCallback<int>((_, value, tags, family) => Take(family, value, tags));
        _listener.SetMeasurementEventCallback<long>((_, value, tags, family) => Take(family, value, tags));
        _listener.SetMeasurementEventCallback<float>((_, value, tags, family) => Take(family, value, tags));
        _listener.SetMeasurementEventCallback<double>((_, value, tags, family) => Take(family, value, tags));
        _listener.SetMeasurementEventCallback<decimal>((_, value, tags, family) => Take(family, (double)value, tags));
        _listener.Start();
    }

    static void Take(object? family, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags) => (family as Family)?.Take(Labels(tags), value);

    public string Text()
    {
        lock (_listener)
        {
            // What is not there any more is not told any more.
            foreach (var family in _families.Values.Where(f => f.IsObserved)) family.Clear();
            _listener.RecordObservableInstruments();
        }

        var text = new StringBuilder();
        // Two instruments of one name (a meter made twice) are one family.
        foreach (var group in _families.Values.GroupBy(f => f.Name).OrderBy(g => g.Key, StringComparer.Ordinal))
        {
            var first = group.First();
            text.Append("# HELP ").Append(first.Name).Append(' ').AppendLine(first.Help).Append("# TYPE ").Append(first.Name).Append(' ').AppendLine(first.Type);
            foreach (var family in group) family.Write(text);
        }
        return text.Replace("\r", "").ToString();
    }

    static string Labels(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (tags.Length == 0) return "";
        var labels = new List<string>(tags.Length);
        foreach (var (name, value) in tags)
            labels.Add($"{Word(name)}=\"{Convert.ToString(value, CultureInfo.InvariantCulture)?.Replace("\\", "\\\\").Replace("\"", "\\\"").Replace("\n", "\\n")}\"");
        return string.Join(',', labels.Order(StringComparer.Ordinal));
    }

    static string Word(string name) => string.Concat(name.Select(c => char.IsAsciiLetterOrDigit(c) || c == '_' ? c : '_'));

    public void Dispose() => _listener.Dispose();

    /// <summary>All series of one instrument.</summary>
    sealed class Family
    {
        readonly ConcurrentDictionary<string, Series> _series = new();
        readonly double[]? _bounds;
        readonly bool _adds;

        public Family(Instrument of)
        {
            var kind = of.GetType().Name;
            IsObserved = kind.StartsWith("Observable", StringComparison.Ordinal);
            _adds = kind.StartsWith("Counter", StringComparison.Ordinal) || kind.StartsWith("UpDownCounter", StringComparison.Ordinal);
            _bounds = kind.StartsWith("Histogram", StringComparison.Ordinal) ? (of as Histogram<double>)?.Advice?.HistogramBucketBoundaries?.ToArray() ?? Bounds : null;
            var counts = kind.Contains("Counter", StringComparison.Ordinal) && !kind.Contains("UpDown", StringComparison.Ordinal);
            Type = _bounds is not null ? "histogram" : counts ? "counter" : "gauge";
            var name = Word(of.Name);
            if (of.Unit == "s" && !name.EndsWith("_seconds", StringComparison.Ordinal)) name += "_seconds";
            if (of.Unit == "By" && !name.EndsWith("_bytes", StringComparison.Ordinal)) name += "_bytes";
            Name = counts && !name.EndsWith("_total", StringComparison.Ordinal) ? name + "_total" : name;
            Help = (of.Description ?? of.Name).ReplaceLineEndings(" ");
            // A counter that has not counted yet is at zero: an alert on it must not wait for its first count.
            if (_adds) _series[""] = new Series(null);
        }

        public string Name { get; }
        public string Help { get; }
        public string Type { get; }
        public bool IsObserved { get; }

        public void Clear() => _series.Clear();

        public void Take(string labels, double value)
        {
            var series = _series.GetOrAdd(labels, _ => new Series(_bounds));
            lock (series) series.Take(value, _adds || _bounds is not null);
            if (_adds && labels.Length > 0) _series.TryRemove("", out _);
        }

        public void Write(StringBuilder text)
        {
            foreach (var (labels, series) in _series.OrderBy(s => s.Key, StringComparer.Ordinal))
                lock (series) series.Write(text, Name, labels);
        }
    }

    sealed class Series(double[]? bounds)
    {
        readonly long[] _counts = new long[(bounds?.Length ?? -1) + 1];
        double _value;
        long _count;

        public void Take(double value, bool adds)
        {
            _value = adds ? _value + value : value;
            if (bounds is null) return;
            _count++;
            var at = Array.FindIndex(bounds, b => value <= b);
            _counts[at < 0 ? bounds.Length : at]++;
        }

        public void Write(StringBuilder text, string name, string labels)
        {
            if (bounds is null)
            {
                Line(text, name, labels, _value);
                return;
            }

            var comma = labels.Length > 0 ? "," : "";
            var below = 0L;
            for (var i = 0; i < bounds.Length; i++) Line(text, name + "_bucket", $"{labels}{comma}le=\"{bounds[i].ToString(CultureInfo.InvariantCulture)}\"", below += _counts[i]);
            Line(text, name + "_bucket", $"{labels}{comma}le=\"+Inf\"", _count);
            Line(text, name + "_sum", labels, _value);
            Line(text, name + "_count", labels, _count);
        }

        static void Line(StringBuilder text, string name, string labels, double value) =>
            text.Append(name).Append(labels.Length > 0 ? $"{{{labels}}}" : "").Append(' ').AppendLine(value.ToString("R", CultureInfo.InvariantCulture));
    }
}
