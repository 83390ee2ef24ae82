//! The figures as a Markdown document.

use std::fmt::Write;

use crate::{
    figures::{Cold, Figures, Warm, median, quantile},
    plan::{BARE, EMPTY, MEMORY, OURS},
};

/// Formats all tables.
pub(crate) fn markdown(figures: &Figures) -> String {
    let mut text = format!("{}\n", figures.machine);
    for reason in &figures.left_out {
        let _ = writeln!(text, "\nleft out: {reason}");
    }
    cold(figures, &mut text);
    warm(figures, &mut text);
    growth(figures, &mut text);
    costs(figures, &mut text);
    text
}

fn cold(figures: &Figures, text: &mut String) {
    let cap = if figures.capped { "capped as Lambda caps so much memory" } else { "not capped here" };
    let _ = writeln!(
        text,
        "\nCold start in ms, **median** (minimum; 90th percentile): init to the first request for work, uncapped; first list of 100, {cap}\n\n\
         | | MB | init | first list | sum | CPU init | CPU first list |\n|---|---|---|---|---|---|---|"
    );
    for (name, sizes) in &figures.cold {
        for memory_mb in MEMORY {
            let Some(samples) = sizes.get(&memory_mb) else { continue };
            let of = |field: fn(&Cold) -> f64| {
                let values: Vec<_> = samples.iter().map(field).collect();
                format!(
                    "**{:.2}** ({:.2}; {:.2})",
                    median(&values),
                    quantile(&values, 0.0),
                    quantile(&values, 0.9)
                )
            };
            let _ = writeln!(
                text,
                "| {name} | {memory_mb} | {} | {} | {} | {} | {} |",
                of(|cold| cold.init),
                of(|cold| cold.first),
                of(|cold| cold.init + cold.first),
                of(|cold| cold.cpu_init),
                of(|cold| cold.cpu_first)
            );
        }
    }
}

fn warm(figures: &Figures, text: &mut String) {
    let _ = writeln!(
        text,
        "\nWarm invocations in ms; × bare: CPU over that of the bare SDK's one request, round by round\n\n\
         | operation | | median | 99th | CPU | × bare | median at 128 MB | 99th | CPU | peak MiB |\n|---|---|---|---|---|---|---|---|---|---|"
    );
    for (operation, candidates) in &figures.warm {
        let bare = candidates.get(BARE);
        let mut names: Vec<_> = candidates.keys().collect();
        names.sort_by_key(|name| (*name != OURS, *name == BARE, *name == EMPTY));
        for name in names {
            let warm = &candidates[name];
            let capped = figures.warm_at_128.get(operation).and_then(|of| of.get(name));
            let peak = figures.peak.get(operation).and_then(|of| of.get(name));
            let _ = writeln!(
                text,
                "| {operation} | {name} | {} | {} | {} | {} |",
                columns(Some(warm)),
                bare.map_or_else(|| "–".into(), |bare| format!("{:.2}", ratio(warm, bare))),
                columns(capped),
                peak.map_or_else(|| "–".into(), |mib| format!("{mib:.1}"))
            );
        }
    }
}

fn columns(warm: Option<&Warm>) -> String {
    warm.map_or_else(
        || "– | – | –".into(),
        |warm| {
            let (half, most) = (median(&warm.calls), quantile(&warm.calls, 0.99));
            format!("{half:.3} | {most:.3} | {:.3}", median(&warm.cpu))
        },
    )
}

/// The median of the ratios, one for each round.
fn ratio(of: &Warm, to: &Warm) -> f64 {
    let ratios: Vec<_> = of.cpu.iter().zip(&to.cpu).map(|(of, to)| of / to).collect();
    median(&ratios)
}

fn growth(figures: &Figures, text: &mut String) {
    let _ =
        writeln!(text, "\nA list of 100 in ms, by what it is read from\n\n| | median | CPU |\n|---|---|---|");
    for row in &figures.growth {
        let _ =
            writeln!(text, "| {} | {:.3} | {:.3} |", row.of, median(&row.warm.calls), median(&row.warm.cpu));
    }
}

fn costs(figures: &Figures, text: &mut String) {
    let _ = writeln!(
        text,
        "\nUnits of a request, and $ of a million (infra/prices.json, 10 ms billed)\n\n| | read | write | $ |\n|---|---|---|---|"
    );
    for cost in &figures.costs {
        let (operation, dollars) = (cost.operation, cost.dollars_a_million);
        let _ = writeln!(text, "| {operation} | {} | {} | {dollars:.2} |", cost.read_units, cost.write_units);
    }
    let _ = writeln!(text, "\nSize in bytes\n\n| function | executable | zipped |\n|---|---|---|");
    for size in &figures.sizes {
        let _ = writeln!(text, "| {} | {} | {} |", size.function, size.bytes, size.zipped);
    }
}
