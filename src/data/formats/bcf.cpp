// The only user of htslib's VCF layer. That the file is BCF is known before that layer is entered:
// htslib would open alignments behind the same call.
#include "data/formats/bcf.hpp"

#include <fmt/format.h>
#include <htslib/bgzf.h>
#include <htslib/hts_log.h>
#include <htslib/vcf.h>

#include "core/error.hpp"
#include "data/formats/text_file.hpp"

namespace epi::data {
namespace {

constexpr std::string_view kMagic = "BCF\2";

class BcfFile final : public VariantSource {
 public:
  explicit BcfFile(const std::filesystem::path& path) : name_(path.string()) {
    hts_set_log_level(HTS_LOG_OFF);  // its findings come back as our errors
    // An absolute path: htslib takes "-" and "scheme:..." for other things than files.
    handle_.reset(hts_open(std::filesystem::absolute(path).c_str(), "r"));
    if (!handle_ || handle_->format.format != bcf) throw core::InputError(name_ + ": not BCF");
    // Only packed records have a checksum; in others a flipped bit of a length makes htslib ask for
    // gigabytes.
    if (handle_->format.compression != bgzf) {
      throw core::InputError(name_ + ": BCF without compression; pack it: bcftools view -O b");
    }
    header_.reset(bcf_hdr_read(handle_.get()));
    // Without samples the genotypes are passed over.
    if (!header_ || bcf_hdr_set_samples(header_.get(), nullptr, 0) != 0) {
      throw core::InputError(name_ + ": the header cannot be read: the file is damaged");
    }
    for (int i = 0; i < header_->n[BCF_DT_CTG]; ++i) {
      const bcf_idpair_t& contig = header_->id[BCF_DT_CTG][i];
      if (contig.key == nullptr || contig.val == nullptr) continue;
      contigs_.push_back({contig.key, static_cast<std::int64_t>(contig.val->info[0]), 0});
    }
  }

  [[nodiscard]] std::string_view form() const override { return "BCF"; }
  [[nodiscard]] const std::vector<ContigSize>& contigs() const override { return contigs_; }

  [[nodiscard]] bool next(Variant& variant) override {
    const int result = bcf_read(handle_.get(), header_.get(), record_.get());
    if (result == -1 && handle_->fp.bgzf->errcode == 0) return false;
    if (result != 0) fail("reading failed: the file is damaged or cut short; fetch it again");
    if (bcf_unpack(record_.get(), BCF_UN_STR) != 0 || record_->n_allele == 0 ||
        record_->d.id == nullptr) {
      fail("not a variant");
    }
    variant.contig = bcf_seqname_safe(header_.get(), record_.get());
    if (!is_plain_text(variant.contig)) fail("the contig's name is not UTF-8 text");
    variant.position_bp = record_->pos;
    if (variant.position_bp < -1) fail("a position below 0");
    const std::string_view id = record_->d.id;
    variant.id = id == "." ? std::string_view() : id;
    variant.ref = record_->d.allele[0];
    if (!is_spelled_out(variant.ref)) fail("REF is no sequence of bases");
    variant.alts.assign(record_->d.allele + 1, record_->d.allele + record_->n_allele);
    variant.record = ++num_records_;
    variant.line = 0;
    return true;
  }

 private:
  [[noreturn]] void fail(std::string_view what) const {
    throw core::InputError(fmt::format("{}: record {}: {}", name_, num_records_ + 1, what));
  }

  struct Closer {
    void operator()(htsFile* file) const { (void)hts_close(file); }
    void operator()(bcf_hdr_t* header) const { bcf_hdr_destroy(header); }
    void operator()(bcf1_t* record) const { bcf_destroy(record); }
  };
  std::string name_;
  std::unique_ptr<htsFile, Closer> handle_;
  std::unique_ptr<bcf_hdr_t, Closer> header_;
  std::unique_ptr<bcf1_t, Closer> record_{bcf_init()};
  std::vector<ContigSize> contigs_;
  std::int64_t num_records_ = 0;
};

}  // namespace

bool is_bcf(const std::filesystem::path& path) {
  return TextFile(path).next_block().starts_with(kMagic);
}

std::unique_ptr<VariantSource> open_bcf(const std::filesystem::path& path) {
  return std::make_unique<BcfFile>(path);
}

}  // namespace epi::data
