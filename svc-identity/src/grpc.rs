//! The methods: decode, call, encode.

mod convert;

use proto::souk::identity::v1::{self as pb, identity_service_server::IdentityService};
use svc_kit::{caller::Caller, id};
use tonic::{Request, Response, Status};

use crate::{
    app::App, create_address::create_address, delete_address::delete_address,
    get_profile::get_profile, list_addresses::list_addresses, log_in::log_in, log_out::log_out,
    refresh_token::RefreshToken, refresh_tokens::refresh_tokens, register::register,
    update_address::update_address, update_profile::update_profile,
};

/// The largest request, in bytes: an address with every field full is below
/// it.
pub const REQUEST_MAX_BYTES: usize = 16 * 1024;

/// The service's face.
#[derive(Clone)]
pub struct Grpc {
    app: App,
}

impl Grpc {
    /// In front of this service.
    pub fn new(app: App) -> Self {
        Self { app }
    }
}

#[tonic::async_trait]
impl IdentityService for Grpc {
    async fn register(
        &self,
        request: Request<pb::RegisterRequest>,
    ) -> Result<Response<pb::RegisterResponse>, Status> {
        let command = convert::register(request.into_inner())?;
        let (account, tokens) = register(&self.app, command).await?;
        Ok(Response::new(pb::RegisterResponse {
            account: Some(account.into()),
            tokens: Some(tokens.into()),
        }))
    }

    async fn log_in(
        &self,
        request: Request<pb::LogInRequest>,
    ) -> Result<Response<pb::LogInResponse>, Status> {
        let command = convert::log_in(request.into_inner());
        let (account, tokens) = log_in(&self.app, command).await?;
        Ok(Response::new(pb::LogInResponse {
            account: Some(account.into()),
            tokens: Some(tokens.into()),
        }))
    }

    async fn refresh_tokens(
        &self,
        request: Request<pb::RefreshTokensRequest>,
    ) -> Result<Response<pb::RefreshTokensResponse>, Status> {
        let token = RefreshToken::parse(&request.into_inner().refresh_token);
        let tokens = refresh_tokens(&self.app, token).await?;
        Ok(Response::new(pb::RefreshTokensResponse {
            tokens: Some(tokens.into()),
        }))
    }

    async fn log_out(
        &self,
        request: Request<pb::LogOutRequest>,
    ) -> Result<Response<pb::LogOutResponse>, Status> {
        log_out(&self.app, &Caller::of(&request)?).await?;
        Ok(Response::new(pb::LogOutResponse {}))
    }

    async fn get_profile(
        &self,
        request: Request<pb::GetProfileRequest>,
    ) -> Result<Response<pb::Account>, Status> {
        let account = get_profile(&self.app, &Caller::of(&request)?).await?;
        Ok(Response::new(account.into()))
    }

    async fn update_profile(
        &self,
        request: Request<pb::UpdateProfileRequest>,
    ) -> Result<Response<pb::Account>, Status> {
        let caller = Caller::of(&request)?;
        let command = convert::update_profile(request.into_inner())?;
        let account = update_profile(&self.app, &caller, command).await?;
        Ok(Response::new(account.into()))
    }

    async fn list_addresses(
        &self,
        request: Request<pb::ListAddressesRequest>,
    ) -> Result<Response<pb::ListAddressesResponse>, Status> {
        let addresses = list_addresses(&self.app, &Caller::of(&request)?).await?;
        Ok(Response::new(pb::ListAddressesResponse {
            addresses: addresses.into_iter().map(Into::into).collect(),
        }))
    }

    async fn create_address(
        &self,
        request: Request<pb::CreateAddressRequest>,
    ) -> Result<Response<pb::SavedAddress>, Status> {
        let caller = Caller::of(&request)?;
        let command = convert::create_address(request.into_inner())?;
        let address = create_address(&self.app, &caller, command).await?;
        Ok(Response::new(address.into()))
    }

    async fn update_address(
        &self,
        request: Request<pb::UpdateAddressRequest>,
    ) -> Result<Response<pb::SavedAddress>, Status> {
        let caller = Caller::of(&request)?;
        let command = convert::update_address(request.into_inner())?;
        let address = update_address(&self.app, &caller, command).await?;
        Ok(Response::new(address.into()))
    }

    async fn delete_address(
        &self,
        request: Request<pb::DeleteAddressRequest>,
    ) -> Result<Response<pb::DeleteAddressResponse>, Status> {
        let caller = Caller::of(&request)?;
        let id = id::parse("id", &request.into_inner().id)?;
        delete_address(&self.app, &caller, id).await?;
        Ok(Response::new(pb::DeleteAddressResponse {}))
    }
}
