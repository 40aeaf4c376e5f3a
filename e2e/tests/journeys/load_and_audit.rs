//! Customers who order at their times while everything is killed, and the
//! books afterwards.

use e2e::journey;
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
        let sold = report.orders.get("confirmed").copied().unwrap_or(0);
        assert!(sold > 100, "{report}");
        assert!(report.requests.answered > 150, "{report}");
        assert_eq!(report.shed, 0, "{report}");
    });
}
