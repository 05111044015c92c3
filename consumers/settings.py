"""Settings: environment variables with the prefix PREFLEDGER_, or a `prefledger.toml` in the working folder."""

from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from schemas.errors import InputError, shown


class Settings(BaseSettings):
    """What an operator sets; every field can be left out, and `docs/settings.md` lists them."""

    model_config = SettingsConfigDict(env_prefix="PREFLEDGER_", toml_file="prefledger.toml", extra="forbid")

    home: Path = Field(Path(".prefledger"), description="Data folder.")
    ledger_url: str = Field("", description="sqlite:///PATH; by default ledger.db in the data folder.")
    database_url: str = Field(
        "", description="SQLAlchemy URL of the projections; by default a file in the data folder."
    )
    secret_file: Path = Field(Path(), description="The secret behind references; by default in the data folder.")
    brand: str | None = Field(None, description="The brand meant where a question gives none; by default the policy's.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """What the caller says counts before the environment, and that before the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @model_validator(mode="after")
    def _fill(self) -> Self:
        self.ledger_url = self.ledger_url or f"sqlite:///{self.home / 'ledger.db'}"
        self.database_url = self.database_url or f"sqlite:///{self.home / 'projections.db'}"
        if self.secret_file == Path():
            self.secret_file = self.home / "secret"
        return self

    @property
    def ledger_path(self) -> Path:
        """The file of an embedded ledger. Raises InputError for any other kind of URL."""
        scheme, _, path = self.ledger_url.partition(":///")
        if scheme != "sqlite" or not path:
            raise InputError(
                f"PREFLEDGER_LEDGER_URL is {shown(self.ledger_url)}; this version keeps its ledger in a file: "
                "write sqlite:///PATH"
            )
        return Path(path)

    @property
    def people_path(self) -> Path:
        """The file of identities and evidence, beside the ledger's."""
        return self.ledger_path.with_name("people.db")

    @property
    def replica_path(self) -> Path:
        """The file of the gate's local copy."""
        return self.home / "replica.snapshot"


def load() -> Settings:
    """The settings in force. Raises InputError for one that is malformed or unknown."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(str(step) for step in first["loc"])
        raise InputError(f"the setting {name!r} is wrong: {first['msg']}; see docs/settings.md") from None
    except ValueError as error:
        raise InputError(f"prefledger.toml cannot be read: {error}") from None
