//! The methods: decode, call the use case, encode.

mod convert;

use proto::souk::notify::v1::{self as pb, notify_service_server::NotifyService};
use svc_kit::{caller::Caller, page};
use tonic::{Request, Response, Status};

use crate::{
    app::App,
    list_deliveries::{DEFAULT_PAGE, MAX_PAGE, list_deliveries},
};

/// The methods of `souk.notify.v1.NotifyService`.
#[derive(Debug, Clone)]
pub struct Grpc {
    app: App,
}

impl Grpc {
    /// The methods over this service.
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl NotifyService for Grpc {
    #[tracing::instrument(name = "notify.list_deliveries", skip_all)]
    async fn list_deliveries(
        &self,
        request: Request<pb::ListDeliveriesRequest>,
    ) -> Result<Response<pb::ListDeliveriesResponse>, Status> {
        let caller = Caller::of(&request)?;
        let message = request.get_ref();
        let size = page::size(message.page_size, DEFAULT_PAGE, MAX_PAGE)?;
        let before = page::decode(&message.page_token)?;
        let page = list_deliveries(&self.app, &caller, before, size).await?;
        Ok(Response::new(page.into()))
    }
}
