# weir and nothing else: one static binary, run by nobody in particular.
#
#   docker build -t weir .
#
# .git is part of the context, so that the binary knows which build it is.
FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags=-s -o /weir ./cmd/weir

FROM scratch
# For steps of kind http that fetch https.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /weir /weir
USER 65532:65532
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=4s --start-period=10s CMD ["/weir", "health"]
ENTRYPOINT ["/weir"]
CMD ["serve"]
