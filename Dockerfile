# The letterbox in a container: both of its processes, the journal in /data.
#
#   docker build -t letterbox .
#   docker run --rm -p 3000:3000 -v letterbox:/data letterbox

FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
WORKDIR /source
# What names the packages comes first, so that a change of the source does not restore them anew.
COPY global.json Directory.Build.props Directory.Build.targets Directory.Packages.props .editorconfig ./
COPY src/Letterbox/Letterbox.csproj src/Letterbox/
RUN dotnet restore src/Letterbox --use-current-runtime -p:PublishReadyToRun=true
COPY src/ src/
# Compiled ahead of time (ReadyToRun): the container is open for messages sooner.
RUN dotnet publish src/Letterbox --no-restore --configuration Release --use-current-runtime \
      --self-contained false -p:PublishReadyToRun=true -p:PublishDocumentationFiles=false --output /app

FROM mcr.microsoft.com/dotnet/runtime:10.0
# libmongoc is MongoDB's own driver. tzdata: dates are local time, and TZ says where that is.
RUN apt-get update \
 && apt-get install -y --no-install-recommends libmongoc-1.0-0t64 tzdata \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o "$APP_UID" -g "$APP_UID" /data
COPY --from=build /app /app
ENV PATH="/app:$PATH" LETTERBOX_DATA=/data
USER $APP_UID
VOLUME /data
# 5000 is open to the container alone, unless told otherwise: docs/OPERATIONS.md, "On many machines".
EXPOSE 3000 5000 5000/udp
HEALTHCHECK --interval=10s --timeout=8s --start-period=10s CMD ["letterbox", "health"]
ENTRYPOINT ["letterbox"]
