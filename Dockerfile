# The letterbox in a container: all of its processes, the journal in /data.
#
#   docker build -t letterbox .
#   docker run --rm -p 3000:3000 -v letterbox:/data letterbox

FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
# The linker. tzdata: dates are local time, and TZ says where that is.
RUN apt-get update \
 && apt-get install -y --no-install-recommends clang zlib1g-dev tzdata \
 && mkdir /data
WORKDIR /source
# What names the packages comes first, so that a change of the source does not restore them anew.
COPY global.json Directory.Build.props Directory.Build.targets Directory.Packages.props .editorconfig ./
COPY src/Letterbox/Letterbox.csproj src/Letterbox/
RUN dotnet restore src/Letterbox -p:PublishAot=true
COPY src/ src/
RUN dotnet publish src/Letterbox --no-restore --configuration Release -p:PublishAot=true --output /app

# Neither a shell nor a package manager: the C library, OpenSSL and certificates.
FROM mcr.microsoft.com/dotnet/runtime-deps:10.0-noble-chiseled
COPY --from=build /usr/share/zoneinfo /usr/share/zoneinfo
COPY --from=build /app /app
# 1654 is the image's own user, APP_UID.
COPY --from=build --chown=1654:1654 /data /data
ENV PATH="/app:$PATH" LETTERBOX_DATA=/data
USER $APP_UID
VOLUME /data
# 5000 is open within the container only, unless configured otherwise: docs/OPERATIONS.md, "On many machines".
EXPOSE 3000 5000 5000/udp
HEALTHCHECK --interval=10s --timeout=8s --start-period=10s CMD ["letterbox", "health"]
ENTRYPOINT ["letterbox"]
