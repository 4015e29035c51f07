using FlatRender.Bench;

// Each benchmark prints a Markdown table and, as its last line, one JSON object with every figure.
var benches = new Dictionary<string, Func<bool, Task<Figures>>>
{
    ["store"] = StoreBench.RunAsync,
    ["kills"] = KillsBench.RunAsync,
};

if (args is not [var name, .. var rest] || !benches.TryGetValue(name, out var bench) || rest is not ([] or ["--quick"]))
{
    Console.Error.WriteLine($"usage: FlatRender.Bench {string.Join('|', benches.Keys)} [--quick]");
    return 2;
}

(await bench(rest.Length == 1)).Print(Console.Out);
return 0;
