//! What was measured, as a table, and whether the bars of the design hold.

use std::fmt;
use std::time::Duration;

use super::peer::Peer;
use super::row::Row;

/// Bars on the ratio of the edge's figure to a peer's in the same round.
const BARS: [Bar; 7] = [
    Bar::new(Row::CachedGrpcWeb, Of::Rate, Peer::Nginx, 1.0),
    Bar::new(Row::CachedGrpcWeb, Of::Cpu, Peer::Nginx, 1.0),
    Bar::new(Row::Get1kH1, Of::Rate, Peer::Varnish, 1.0),
    Bar::new(Row::Get100kH1, Of::Rate, Peer::Varnish, 1.0),
    Bar::new(Row::PassGrpc, Of::Cpu, Peer::Haproxy, 1.25),
    Bar::new(Row::PassGrpc, Of::Cpu, Peer::Nginx, 1.0),
    Bar::new(Row::PassGrpc, Of::Cpu, Peer::Envoy, 1.0),
];

/// One measurement of one server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figure {
    per_second: f64,
    cpu_micros: f64,
}

impl Figure {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub(super) fn new(per_second: f64, cpu: Duration, requests: u64) -> Self {
        Self {
            per_second,
            cpu_micros: cpu.as_secs_f64() * 1e6 / requests.max(1) as f64,
        }
    }
}

/// All measurements of a row.
#[derive(Debug)]
pub(super) struct Measured {
    row: Row,
    /// By server, in the order of the rounds.
    load: Vec<(Peer, Vec<Figure>)>,
    memory: Vec<(Peer, u64)>,
}

impl Measured {
    pub(super) const fn new(row: Row) -> Self {
        Self {
            row,
            load: Vec::new(),
            memory: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, peer: Peer, figure: Figure) {
        match self.load.iter_mut().find(|(known, _)| *known == peer) {
            Some((_, figures)) => figures.push(figure),
            None => self.load.push((peer, vec![figure])),
        }
    }

    pub(super) fn forget(&mut self, peer: Peer) {
        self.load.retain(|(known, _)| *known != peer);
    }

    pub(super) fn memory(&mut self, peer: Peer, bytes: u64) {
        self.memory.push((peer, bytes));
    }

    fn figures(&self, peer: Peer) -> Option<&[Figure]> {
        let (_, figures) = self.load.iter().find(|(known, _)| *known == peer)?;
        Some(figures)
    }

    /// The median of the edge's figure over a peer's, round by round.
    fn ratio(&self, of: Of, peer: Peer) -> Option<f64> {
        let pairs = self.figures(Peer::Edge)?.iter().zip(self.figures(peer)?);
        let ratios = pairs.map(|(ours, theirs)| of.figure(ours) / of.figure(theirs));
        Some(median(ratios.collect()))
    }
}

/// Which figure.
#[derive(Clone, Copy, Debug)]
enum Of {
    /// Requests per second: the more, the better.
    Rate,
    /// CPU for each: the less, the better.
    Cpu,
}

impl Of {
    const fn figure(self, figure: &Figure) -> f64 {
        match self {
            Self::Rate => figure.per_second,
            Self::Cpu => figure.cpu_micros,
        }
    }
}

/// What a ratio must reach.
#[derive(Clone, Copy, Debug)]
struct Bar {
    row: Row,
    of: Of,
    peer: Peer,
    limit: f64,
}

impl Bar {
    const fn new(row: Row, of: Of, peer: Peer, limit: f64) -> Self {
        Self {
            row,
            of,
            peer,
            limit,
        }
    }

    /// Told for people, when it was measured.
    fn told(&self, rows: &[Measured]) -> Option<String> {
        let Self {
            row,
            of,
            peer,
            limit,
        } = *self;
        let measured = rows.iter().find(|measured| measured.row == row)?;
        let Some(ratio) = measured.ratio(of, peer) else {
            return Some(format!("{row}: not measured beside {peer}"));
        };
        let (name, bar, holds) = match of {
            Of::Rate => ("requests/s", "at least", ratio >= limit),
            Of::Cpu => ("CPU per request", "at most", ratio <= limit),
        };
        let held = if holds { "holds" } else { "MISSED" };
        Some(format!(
            "{row}: {ratio:.2} times {peer}'s {name} (bar: {bar} {limit}): {held}"
        ))
    }
}

/// All figures.
#[derive(Debug)]
pub struct Figures {
    each: Duration,
    rounds: usize,
    versions: Vec<String>,
    rows: Vec<Measured>,
}

impl Figures {
    pub(super) const fn new(each: Duration, rounds: usize, versions: Vec<String>) -> Self {
        Self {
            each,
            rounds,
            versions,
            rows: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, measured: Measured) {
        self.rows.push(measured);
    }
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

impl fmt::Display for Measured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = self.row.to_string();
        for (peer, figures) in &self.load {
            let each = |of: Of| median(figures.iter().map(|one| of.figure(one)).collect());
            let (rate, cpu) = (each(Of::Rate), each(Of::Cpu));
            write!(f, "{row:<42} {peer:<8} {rate:>11.0} {cpu:>11.1}")?;
            if *peer != Peer::Edge
                && let (Some(rate), Some(cpu)) =
                    (self.ratio(Of::Rate, *peer), self.ratio(Of::Cpu, *peer))
            {
                write!(f, " {rate:>7.2} {cpu:>7.2}")?;
            }
            writeln!(f)?;
            row.clear();
        }
        for (peer, bytes) in &self.memory {
            writeln!(f, "{row:<42} {peer:<8} {:>8} KB", bytes / 1024)?;
            row.clear();
        }
        Ok(())
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.versions.join(", "))?;
        writeln!(
            f,
            "median of {} alternating rounds of {} s each; one thread each, no access logs; \
             a ratio is the edge's figure over the peer's in the same round",
            self.rounds,
            self.each.as_secs()
        )?;
        writeln!(f)?;
        writeln!(
            f,
            "{:<42} {:<8} {:>11} {:>11} {:>7} {:>7}",
            "", "server", "requests/s", "µs CPU each", "rate ×", "CPU ×"
        )?;
        for measured in &self.rows {
            write!(f, "{measured}")?;
        }
        writeln!(f)?;
        for told in BARS.iter().filter_map(|bar| bar.told(&self.rows)) {
            writeln!(f, "{told}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(per_second: f64) -> Figure {
        Figure::new(per_second, Duration::from_millis(1), 100)
    }

    fn told(edge: &[f64], nginx: &[f64]) -> String {
        let mut measured = Measured::new(Row::CachedGrpcWeb);
        for (ours, theirs) in edge.iter().zip(nginx) {
            measured.push(Peer::Edge, figure(*ours));
            measured.push(Peer::Nginx, figure(*theirs));
        }
        let mut figures = Figures::new(Duration::from_secs(1), edge.len(), Vec::new());
        figures.push(measured);
        figures.to_string()
    }

    #[test]
    fn a_bar_is_held_by_the_median_of_the_rounds_ratios() {
        let held = told(&[10.0, 110.0, 220.0], &[100.0, 100.0, 200.0]);
        assert!(held.contains("1.10 times nginx's requests/s (bar: at least 1): holds"));
        let missed = told(&[90.0, 90.0, 900.0], &[100.0, 100.0, 100.0]);
        assert!(missed.contains("0.90 times nginx's requests/s (bar: at least 1): MISSED"));
        assert!(missed.contains("1.00 times nginx's CPU per request (bar: at most 1): holds"));
    }

    #[test]
    fn who_is_left_out_is_told_of() {
        let mut measured = Measured::new(Row::CachedGrpcWeb);
        for peer in [Peer::Edge, Peer::Nginx] {
            measured.push(peer, figure(1.0));
        }
        measured.forget(Peer::Nginx);
        let mut figures = Figures::new(Duration::from_secs(1), 1, Vec::new());
        figures.push(measured);
        let told = figures.to_string();
        assert!(told.contains("not measured beside nginx"), "{told}");
    }
}
