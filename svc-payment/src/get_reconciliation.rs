//! How far the comparison of a day is.

use chrono::NaiveDate;

use crate::{
    app::App, error::Error, reconcile::yesterday, reconciliation::Run, store::reconciliations,
};

/// The comparisons of a day, the last one that is over unless another is named;
/// none if nobody began one.
///
/// # Errors
/// When the database does not answer.
pub async fn get_reconciliation(
    app: &App,
    date: Option<NaiveDate>,
) -> Result<(NaiveDate, Vec<Run>), Error> {
    let date = date.unwrap_or_else(|| yesterday(app));
    // Whoever waits for the end must not read an older one.
    let runs = reconciliations::of_date(app.db.writer(), date).await?;
    Ok((date, runs))
}
