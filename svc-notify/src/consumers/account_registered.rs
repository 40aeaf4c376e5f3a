//! Somebody opened an account: from now on we know whom to write to.

use proto::souk::event::v1::AccountRegistered;
use sqlx::PgConnection;
use svc_kit::{
    consumer::{ConsumeError, Consumer},
    id::AccountId,
};

use super::{parse_id, unusable};
use crate::{
    app::App, contact::Contact, notice::Notice, queue_notice::queue_notice, store::contacts,
};

/// Keeps the contact and says welcome.
#[derive(Debug, Clone)]
pub struct OnAccountRegistered {
    /// This service.
    pub app: App,
}

impl Consumer for OnAccountRegistered {
    type Event = AccountRegistered;
    const NAME: &'static str = "notify-account-registered";

    async fn handle(&self, tx: &mut PgConnection, event: Self::Event) -> Result<(), ConsumeError> {
        let account_id = AccountId(parse_id("account_id", &event.account_id)?);
        let contact =
            Contact::new(account_id, event.email, &event.display_name).map_err(unusable)?;
        contacts::upsert(tx, &contact, self.app.clock.now()).await?;
        let notice = Notice::Welcome {
            account_id: account_id.0,
        };
        queue_notice(&self.app, tx, account_id, notice).await?;
        Ok(())
    }
}
