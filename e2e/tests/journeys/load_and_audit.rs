//! Customers who order at their times while everything is killed, and the
//! books afterwards.

use e2e::{journey, wait::PATIENCE};
use souk::load::Report;
use souk::load::faults::Fault;
use souk::load::{self, Options};
use souk::stack::Process;

#[test]
fn the_books_balance_after_every_service_and_the_edge_were_killed_under_load() {
    journey(async {
        let dir = tempfile::tempdir().unwrap();
        let victims = Process::SERVICES.iter().chain(&[Process::Edge]);
        let options = Options {
            orders_per_minute: 600,
            seconds: 20,
            hot_stock: Some(20),
            faults: victims.map(|process| Fault::Kill(*process)).collect(),
            ..Options::for_tests(dir.path())
        };

        let report = load::run(&options).await.unwrap();

        assert!(report.holds(), "{report}");
        assert_eq!(report.faults.len(), 6, "{report}");
        // A run that sold nothing would prove nothing.
        let sold = ["confirmed", "shipped"].map(|status| report.orders.get(status).unwrap_or(&0));
        assert!(sold.into_iter().sum::<u64>() > 100, "{report}");
        // As would a run of which nothing came back.
        let returned = report.finding("returned").unwrap().looked_at;
        assert!(returned >= 5, "{report}");
        assert!(report.requests.answered > 150, "{report}");
        assert_eq!(report.shed, 0, "{report}");
    });
}

/// A load of processes with faults, which are switched on in one or in all.
async fn judged(whose: Option<Process>, faults: &[(&str, &str)]) -> Report {
    let dir = tempfile::tempdir().unwrap();
    let env = |(name, value): &(&str, &str)| (whose, (*name).to_owned(), (*value).to_owned());
    let options = Options {
        binaries: Some(souk::checkout::faulty_binaries().unwrap()),
        env: faults.iter().map(env).collect(),
        settle_within: PATIENCE,
        ..Options::for_tests(dir.path())
    };
    load::run(&options).await.unwrap()
}

#[test]
fn the_judge_sees_who_forgets_what_was_handled_and_not_who_hears_it_twice() {
    journey(async {
        let twice = ("SOUK_FAULT_REDELIVER", "2");
        let report = judged(None, &[twice]).await;
        assert!(report.holds(), "{report}");

        let report = judged(None, &[twice, ("SOUK_FAULT_SKIP_INBOX", "1")]).await;
        let finding = report.finding("claimed-once").unwrap();
        assert!(!finding.holds(), "{report}");
        assert!(!report.holds());
    });
}

#[test]
fn the_judge_sees_who_loses_events() {
    journey(async {
        let report = judged(Some(Process::Order), &[("SOUK_FAULT_LOSE", "7")]).await;
        let finding = report.finding("announced").unwrap();
        assert!(!finding.holds(), "{report}");
    });
}
