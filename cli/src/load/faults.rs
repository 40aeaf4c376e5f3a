//! What is broken while customers order, when, and for how long. Each fault is
//! healed before the next one begins.

mod clock;
mod provider;
mod redis;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Context as _;
use serde::{Serialize, Serializer};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until};

use super::{Options, Shop};
use crate::stack::Process;

/// How long something stays broken, at most.
const LASTS: Duration = Duration::from_secs(4);
/// A fault begins so often, or more often where the run is short.
const EVERY: Duration = Duration::from_secs(30);
/// How long it may take until something runs again on a busy machine.
const HEAL_WITHIN: Duration = Duration::from_mins(3);
/// Between two tries to start something again.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Something to break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A process is killed, and started again.
    Kill(Process),
    /// Redis forgets everything.
    EmptyRedis,
    /// The payment provider is slow.
    SlowProvider,
    /// The payment provider does not answer.
    DownProvider,
    /// The order service believes that it is ten minutes later.
    JumpClock,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Kill(Process::Identity),
        Self::Kill(Process::Catalog),
        Self::Kill(Process::Order),
        Self::Kill(Process::Payment),
        Self::Kill(Process::Notify),
        Self::Kill(Process::Edge),
        Self::Kill(Process::Postgres),
        Self::Kill(Process::Nats),
        Self::EmptyRedis,
        Self::SlowProvider,
        Self::DownProvider,
        Self::JumpClock,
    ];

    /// Those that a list names: "none", "all", or names with commas between.
    ///
    /// # Errors
    /// One line with the names that there are.
    pub fn parse_list(text: &str) -> Result<Vec<Self>, String> {
        match text {
            "none" | "" => Ok(Vec::new()),
            "all" => Ok(Self::ALL.to_vec()),
            names => names.split(',').map(|name| name.trim().parse()).collect(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(process) => {
                let name = process.name();
                write!(f, "kill-{}", name.strip_prefix("svc-").unwrap_or(name))
            }
            Self::EmptyRedis => f.write_str("empty-redis"),
            Self::SlowProvider => f.write_str("slow-provider"),
            Self::DownProvider => f.write_str("down-provider"),
            Self::JumpClock => f.write_str("jump-clock"),
        }
    }
}

impl FromStr for Fault {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|fault| fault.to_string() == name);
        known.copied().ok_or_else(|| {
            let names: Vec<String> = Self::ALL.iter().map(ToString::to_string).collect();
            format!("no fault {name:?}; there are {}", names.join(", "))
        })
    }
}

impl Serialize for Fault {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A fault that was, or that could not be.
#[derive(Debug, Clone, Serialize)]
pub struct Happened {
    /// Which.
    pub fault: Fault,
    /// When it began, in seconds from the start.
    pub from_s: f64,
    /// When all was well again.
    pub to_s: f64,
    /// Why it was left out, if it was.
    pub left_out: Option<String>,
}

impl fmt::Display for Happened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:16}", self.fault.to_string())?;
        match &self.left_out {
            Some(why) => write!(f, "left out: {why}"),
            None => write!(f, "from {:.1} s to {:.1} s", self.from_s, self.to_s),
        }
    }
}

/// The faults of a run.
#[derive(Debug)]
pub(super) struct Breaking<'a> {
    shop: &'a Shop,
    plan: Vec<(Duration, Fault)>,
    lasts: Duration,
    began: Instant,
    current: watch::Sender<Option<Fault>>,
}

impl<'a> Breaking<'a> {
    pub(super) fn new(shop: &'a Shop, options: &Options, began: Instant) -> Self {
        let length = Duration::from_secs(u64::from(options.seconds));
        let (plan, lasts) = plan(&options.faults, length);
        Self {
            shop,
            plan,
            lasts,
            began,
            current: watch::Sender::new(None),
        }
    }

    /// What is broken at the moment.
    pub(super) fn current(&self) -> Option<Fault> {
        *self.current.borrow()
    }

    /// Breaks and heals one after the other.
    ///
    /// # Errors
    /// When something cannot be broken, or does not heal.
    pub(super) async fn run(&self) -> anyhow::Result<Vec<Happened>> {
        let mut happened = Vec::new();
        for (at, fault) in &self.plan {
            sleep_until(self.began + *at).await;
            let from_s = self.began.elapsed().as_secs_f64();
            self.current.send_replace(Some(*fault));
            let outcome = self.break_and_heal(*fault).await;
            self.current.send_replace(None);
            let left_out = outcome.with_context(|| fault.to_string())?;
            happened.push(Happened {
                fault: *fault,
                from_s,
                to_s: self.began.elapsed().as_secs_f64(),
                left_out,
            });
        }
        Ok(happened)
    }

    /// Says why when it is left out.
    async fn break_and_heal(&self, fault: Fault) -> anyhow::Result<Option<String>> {
        let stack = &self.shop.stack;
        match fault {
            Fault::Kill(process) => {
                stack.kill(process).await?;
                sleep(self.lasts).await;
                self.start_again(process, &[]).await?;
            }
            Fault::EmptyRedis => redis::empty(&stack.redis_url()).await?,
            Fault::SlowProvider | Fault::DownProvider => {
                let sources = &self.shop.sources;
                if !provider::can_be_set(sources).await? {
                    return Ok(Some("the provider's conditions cannot be set".to_owned()));
                }
                let mode = if fault == Fault::SlowProvider {
                    provider::Mode::Slow
                } else {
                    provider::Mode::Down
                };
                provider::set(sources, mode).await?;
                sleep(self.lasts).await;
                provider::set(sources, provider::Mode::Normal).await?;
            }
            Fault::JumpClock => {
                if !clock::can_jump()? {
                    return Ok(Some(format!("svc-order does not know {}", clock::OFFSET)));
                }
                stack.kill(Process::Order).await?;
                self.start_again(Process::Order, &[(clock::OFFSET, clock::JUMP_MS)])
                    .await?;
                sleep(self.lasts).await;
                stack.kill(Process::Order).await?;
                self.start_again(Process::Order, &[]).await?;
            }
        }
        Ok(None)
    }

    /// Starts a process again; more than once, since what it needs may be just
    /// coming up itself.
    async fn start_again(
        &self,
        process: Process,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<()> {
        let until = Instant::now() + HEAL_WITHIN;
        loop {
            match self.shop.stack.start_again_with(process, environment).await {
                Ok(()) => return Ok(()),
                Err(why) if Instant::now() > until => return Err(why),
                Err(_) => sleep(AGAIN_AFTER).await,
            }
        }
    }
}

/// Spreads the faults evenly over the run, again and again where it is long,
/// and says how long each lasts.
fn plan(faults: &[Fault], length: Duration) -> (Vec<(Duration, Fault)>, Duration) {
    let Ok(count) = u32::try_from(faults.len()) else {
        return (Vec::new(), LASTS);
    };
    if count == 0 {
        return (Vec::new(), LASTS);
    }
    let each = (length.as_secs_f64() / EVERY.as_secs_f64() / f64::from(count)).floor();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small whole number that is not negative"
    )]
    let rounds = (each as u32).max(1);
    let slot = length / (count * rounds);
    let plan = (0..rounds)
        .flat_map(|round| {
            (0..count)
                .zip(faults)
                .map(move |(n, fault)| (round * count + n, *fault))
        })
        .map(|(n, fault)| (slot * n + slot / 4, fault))
        .collect();
    (plan, LASTS.min(slot / 3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_have_names() {
        assert_eq!(Fault::parse_list("none").unwrap(), []);
        assert_eq!(Fault::parse_list("all").unwrap(), Fault::ALL);
        assert_eq!(
            Fault::parse_list("kill-order, empty-redis").unwrap(),
            [Fault::Kill(Process::Order), Fault::EmptyRedis]
        );
        let refusal = Fault::parse_list("kill-everything").unwrap_err();
        assert!(refusal.contains("kill-postgres"), "{refusal}");
    }

    #[test]
    fn each_happens_once_in_a_short_run_and_again_in_a_long_one() {
        let (short, lasts) = plan(&Fault::ALL, Duration::from_mins(1));
        assert_eq!(short.len(), 12);
        assert!(lasts < Duration::from_secs(5) / 2);
        assert!(short.iter().all(|(at, _)| *at < Duration::from_mins(1)));
        assert!(short.is_sorted_by_key(|(at, _)| *at));
        let (long, lasts) = plan(&Fault::ALL[..2], Duration::from_mins(10));
        assert_eq!(long.len(), 20);
        assert_eq!(lasts, LASTS);
        assert_eq!(plan(&[], Duration::from_mins(1)).0, []);
    }
}
