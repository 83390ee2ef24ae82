//! The function's executable.

fn main() -> std::process::ExitCode {
    session_api::main::<delete_my_session::DeleteMySession>()
}
